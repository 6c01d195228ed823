from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.txfeatures.archive.parts import ANEW, TOPIC
from txfeatures.archive.layout import ObjectName, Shelf, hour_folder

SHELF = Shelf(date="2024-10-19", hour="10", partition=3)
PART = ObjectName(shelf=SHELF, first=7)
COMPACTED = ObjectName(shelf=SHELF, first=7, last=90)

topics = st.just("") | st.from_regex(r"[A-Za-z0-9_-]{22}", fullmatch=True)
shelves = st.builds(Shelf.at, st.integers(0, 253_402_300_799), st.integers(0, 1000), topic=topics)
offsets = st.integers(0, 2**63 - 1)


def test_names_are_what_queries_and_people_see() -> None:
    folder = "archive/deduped/date=2024-10-19/hour=10/"
    assert PART.key == f"{folder}deduped-3-00000000000000000007.parquet"
    assert COMPACTED.key == (f"{folder}deduped-3-00000000000000000007-00000000000000000090.parquet")
    assert SHELF.manifest == "archive/manifests/date=2024-10-19/hour=10/deduped-3.txt"
    shelf = replace(SHELF, topic=ANEW)
    key = f"{folder}deduped.{ANEW}-3-00000000000000000007.parquet"
    assert replace(PART, shelf=shelf).key == key
    assert shelf.manifest == f"archive/manifests/date=2024-10-19/hour=10/deduped.{ANEW}-3.txt"


def test_a_shelf_is_an_hour_of_feed_time() -> None:
    assert Shelf.at(1_729_335_000, 3) == SHELF
    assert Shelf.at(SHELF.start_s, 3) == SHELF
    assert Shelf.at(SHELF.start_s + 3599, 3) == SHELF
    assert Shelf.at(SHELF.start_s + 3600, 3) != SHELF


@given(shelves, offsets, st.none() | offsets)
def test_every_name_is_read_back_from_its_key(shelf: Shelf, first: int, last: int | None) -> None:
    name = ObjectName(shelf=shelf, first=first, last=last)
    assert ObjectName.parse(name.key) == name
    assert Shelf.of_manifest(shelf.manifest) == shelf


@given(shelves, shelves, offsets)
def test_a_shelf_lists_its_own_objects_only(shelf: Shelf, other: Shelf, first: int) -> None:
    key = ObjectName(shelf=other, first=first).key
    assert key.startswith(shelf.objects) is (other == shelf)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "archive/deduped/",
        f"{PART.key}x",
        f"x{PART.key}",
        PART.key.upper(),
        PART.key.replace("d-", "d.é-"),
        "a/b.parquet",
    ],
)
def test_another_key_is_no_name(key: str) -> None:
    assert ObjectName.parse(key) is None
    assert Shelf.of_manifest(key) is None


@pytest.mark.parametrize(
    ("first", "last", "is_covered"),
    [
        (7, None, True),
        (90, None, True),
        (6, None, False),
        (91, None, False),
        (7, 90, False),  # itself
        (7, 89, True),
        (8, 90, True),
        (7, 91, False),
        (6, 90, False),
    ],
)
def test_a_compacted_object_covers_what_lies_within_it(
    first: int, last: int | None, is_covered: bool
) -> None:
    assert COMPACTED.covers(ObjectName(shelf=SHELF, first=first, last=last)) is is_covered


def test_a_part_covers_nothing() -> None:
    assert not PART.covers(PART)
    assert not PART.covers(ObjectName(shelf=SHELF, first=8))


@pytest.mark.parametrize(
    "other",
    [
        Shelf(date="2024-10-19", hour="11", partition=3),
        Shelf(date="2024-10-19", hour="10", partition=4),
        replace(SHELF, topic=TOPIC),
    ],
)
def test_nothing_covers_what_lies_on_another_shelf(other: Shelf) -> None:
    assert not COMPACTED.covers(ObjectName(shelf=other, first=8))


@given(shelves, shelves)
def test_folders_sort_as_hours_do(one: Shelf, other: Shelf) -> None:
    assert (one.folder < other.folder) is (one.start_s < other.start_s)
    assert hour_folder(one.start_s) == one.folder
