from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.declared import FEATURES
from tests.unit.txfeatures.archive.memory_bucket import Held
from tests.unit.txfeatures.feature_store.offline_store import PREFIX, Offline, glue_key, stored
from txfeatures.domain.errors import FatalError
from txfeatures.feature_store import offline as offline_module
from txfeatures.feature_store.offline import OfflineRows, OfflineStore

START_S = 1_729_296_000

Read = Callable[[], OfflineRows]


@pytest.fixture
def offline() -> Offline:
    return Offline()


@pytest.fixture
def read(offline: Offline, tmp_path: Path) -> Iterator[Read]:
    with duckdb.connect() as connection:
        yield lambda: offline.store.read(
            connection, tmp_path, start_s=START_S, end_s=START_S + 3600
        )


def latest(found: OfflineRows, known_at_s: float | None = None) -> list[tuple[Any, ...]]:
    rows = found.latest(known_at_s=known_at_s).order("tx_minute")
    return rows.project("tx_minute, revision, max_fee_1min").fetchall()


def test_the_latest_row_of_a_minute_wins_wherever_it_lies(offline: Offline, read: Read) -> None:
    offline.put(stored(START_S, START_S + 7200, revision=2), stored(START_S + 60, START_S + 180))
    offline.put(stored(START_S, START_S + 120, revision=1))
    found = read()
    assert found.damages == []
    assert [row[1] for row in latest(found)] == [2, 1]
    assert [row[1] for row in latest(found, START_S + 7199)] == [1, 1]
    assert [row[1] for row in latest(found, START_S + 120)] == [1]
    assert latest(found, START_S + 119) == []


def test_the_objects_read_are_told(
    offline: Offline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_module, "FILES_AT_ONCE", 2)
    for number in range(3):
        offline.put(stored(START_S + 60 * number, START_S + 3_000))
    told: list[tuple[int, int]] = []
    with duckdb.connect() as connection:
        offline.store.read(
            connection,
            tmp_path,
            start_s=START_S,
            end_s=START_S + 3600,
            progress=lambda *counts: told.append(counts),
        )
    assert told == [(2, 3), (3, 3)]


def test_rows_of_equal_event_time_are_told_apart_by_when_they_were_put(
    offline: Offline, read: Read
) -> None:
    first, second = stored(START_S, START_S + 120), stored(START_S, START_S + 120, revision=9)
    first["api_invocation_time"] = first["api_invocation_time"].replace(day=2)
    offline.put(first, second)
    found = read()
    assert [row[1] for row in latest(found)] == [1]


def test_a_deleted_minute_does_not_come_back_as_it_was_before(offline: Offline, read: Read) -> None:
    offline.put(stored(START_S, START_S + 120))
    offline.put(stored(START_S, START_S + 130, is_deleted=True))
    found = read()
    assert latest(found) == []
    assert len(latest(found, START_S + 125)) == 1


def test_files_from_before_a_feature_was_declared_have_nulls(offline: Offline, read: Read) -> None:
    older = stored(START_S, START_S + 120)
    del older["max_fee_1min"]
    offline.put(older)
    offline.put(stored(START_S + 60, START_S + 180, max_fee_1min=5, of_a_newer_release="x"))
    found = read()
    assert [row[2] for row in latest(found)] == [None, 5]


@pytest.mark.parametrize("text", ["2024-10-19T00:02:00Z", "2024-10-19T00:02:00.000Z"])
def test_event_times_as_text_are_read_as_moments(offline: Offline, read: Read, text: str) -> None:
    key = f"{PREFIX}a1b2c3d4/event_time_trunc=2024-10-19/x.parquet"
    offline.put(stored(START_S, START_S + 120, event_time=text), key=key)
    assert read().rows.project("known_ms, event_time").fetchall() == [
        ((START_S + 120) * 1000, START_S + 120)
    ]


def test_only_objects_whose_hours_can_matter_are_read(offline: Offline) -> None:
    keys = [
        offline.put(stored(START_S, known_s), key=glue_key(known_s, "x.parquet"))
        for known_s in (START_S - 3600, START_S, START_S + 3600, START_S + 90_000)
    ]
    assert list(offline.store.keys(start_s=START_S, end_s=float("inf"))) == keys[1:]
    assert list(offline.store.keys(start_s=START_S + 1800, end_s=START_S + 3600)) == keys[1:3]


def test_only_days_that_can_matter_are_read_of_icebergs_layout(offline: Offline) -> None:
    keys = [
        offline.put(
            stored(START_S, START_S), key=f"{PREFIX}{shard}/event_time_trunc={day}/x.parquet"
        )
        for shard, day in (("zz", "2024-10-18"), ("mm", "2024-10-19"), ("aa", "2024-10-21"))
    ]
    found = set(offline.store.keys(start_s=START_S, end_s=START_S + 3600))
    assert found == {keys[1]}


def test_an_object_that_cannot_be_read_is_named_and_the_others_count(
    offline: Offline, read: Read
) -> None:
    spoilt = glue_key(START_S, "spoilt.parquet")
    offline.bucket.objects[spoilt] = Held(body=b"PAR1 no more", modified_s=0.0)
    offline.put(stored(START_S, START_S + 120))
    found = read()
    assert [damage.key for damage in found.damages] == [spoilt]
    assert len(latest(found)) == 1


@pytest.mark.parametrize(
    "folder",
    [
        "",
        "hour=10/",
        "hour=10_$folder$",
        "_SUCCESS",
        ".part.crc",
        ".0000.parquet.crc",
        "_temporary/0/part-0.parquet",
        ".spark-staging-7/part-0.parquet",
        "README.txt",
    ],
)
def test_folders_and_marks_among_the_objects_are_no_data(
    offline: Offline, read: Read, folder: str
) -> None:
    offline.put(stored(START_S, START_S + 120))
    offline.bucket.objects[f"{PREFIX}{folder}"] = Held(body=b"", modified_s=0.0)
    hour = glue_key(START_S, folder)
    offline.bucket.objects[hour] = Held(body=b"", modified_s=0.0)
    found = read()
    assert found.damages == []
    assert len(latest(found)) == 1


def test_an_object_that_was_emptied_is_damage(offline: Offline, read: Read) -> None:
    key = offline.put(stored(START_S, START_S + 120))
    offline.bucket.objects[key] = Held(body=b"", modified_s=0.0)
    offline.put(stored(START_S + 60, START_S + 180))
    found = read()
    assert [damage.key for damage in found.damages] == [key]
    assert len(latest(found)) == 1


class SageMaker:
    """Describes one group."""

    class exceptions:  # noqa: N801
        class ResourceNotFound(Exception):  # noqa: N818
            pass

    def __init__(self, answer: dict[str, Any] | None) -> None:
        self._answer = answer

    def describe_feature_group(self, *, FeatureGroupName: str) -> dict[str, Any]:  # noqa: N803
        if self._answer is None:
            raise self.exceptions.ResourceNotFound
        return self._answer


def of(answer: dict[str, Any] | None) -> OfflineStore:
    return OfflineStore.locate(SageMaker(answer), None, "g", features=FEATURES)  # type: ignore[arg-type]


def test_the_store_is_where_sagemaker_says() -> None:
    uri = "s3://b/x/1/sagemaker/r/offline-store/g-1/data"
    store = of({"OfflineStoreConfig": {"S3StorageConfig": {"ResolvedOutputS3Uri": uri}}})
    assert store.prefix == "x/1/sagemaker/r/offline-store/g-1/data/"
    assert store.bucket.name == "b"


@pytest.mark.parametrize(("answer", "words"), [(None, "bootstrap"), ({}, "no offline store")])
def test_a_group_without_a_store_is_refused_in_a_sentence(
    answer: dict[str, Any] | None, words: str
) -> None:
    with pytest.raises(FatalError, match=words):
        of(answer)
