from hypothesis import given
from hypothesis import strategies as st

from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifest
from txfeatures.compaction.plan import dead, groups, replaced

SHELF = Shelf(date="2024-10-19", hour="10", partition=0)


def part(first: int) -> ObjectName:
    return ObjectName(shelf=SHELF, first=first)


def span(first: int, last: int) -> ObjectName:
    return ObjectName(shelf=SHELF, first=first, last=last)


def sizes(*bytes_each: int) -> dict[ObjectName, int]:
    return {part(10 * number): size for number, size in enumerate(bytes_each)}


def planned(*bytes_each: int, target_bytes: int = 100) -> list[list[int]]:
    size_bytes = sizes(*bytes_each)
    found = groups(size_bytes, size_bytes, target_bytes=target_bytes)
    return [[name.first // 10 for name in group] for group in found]


def test_small_objects_become_one() -> None:
    assert planned(10, 10, 10) == [[0, 1, 2]]


def test_one_object_stays_as_it_is() -> None:
    assert planned(10) == []
    assert planned() == []


def test_a_run_ends_before_it_is_too_large() -> None:
    assert planned(60, 40, 1, 50, 50) == [[0, 1], [2, 3]]


def test_an_object_that_is_large_already_is_left_alone() -> None:
    assert planned(10, 10, 500, 10, 10) == [[0, 1], [3, 4]]


@given(st.lists(st.integers(1, 120), max_size=30))
def test_groups_are_runs_of_neighbours_within_the_size(bytes_each: list[int]) -> None:
    found = planned(*bytes_each)
    for group in found:
        assert group == list(range(group[0], group[-1] + 1))
        assert sum(bytes_each[number] for number in group) <= 100
        assert len(group) > 1
    numbers = [number for group in found for number in group]
    assert numbers == sorted(set(numbers))


def test_only_what_a_live_object_covers_is_dead() -> None:
    manifest = Manifest(shelf=SHELF, live=(span(0, 30), part(40)))
    there = [part(0), part(10), span(0, 20), span(0, 30), part(40), part(50), span(20, 40)]
    assert dead(manifest, there) == [part(0), part(10), span(0, 20)]


def test_a_part_that_is_on_its_way_into_the_manifest_is_not_dead() -> None:
    assert dead(Manifest(shelf=SHELF), [part(0), part(10)]) == []


def test_the_compacted_object_takes_the_place_of_its_parts() -> None:
    live = (part(0), part(10), part(20))
    assert set(replaced(live, live[:2], span(0, 19))) == {span(0, 19), part(20)}
