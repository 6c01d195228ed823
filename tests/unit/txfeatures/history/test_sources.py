import gzip
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from tests.unit.txfeatures.archive.parts import ANEW, SHELF, TOPIC, shelf_of, store
from txfeatures.archive.layout import Shelf
from txfeatures.domain.errors import FatalError
from txfeatures.history.sources import ArchiveSource, RecordingSource, slim
from txfeatures.history.span import Span

HOUR_S = 3600
NEXT = Shelf.at(SHELF.start_s + HOUR_S, 0)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def offsets(files: list[Path]) -> list[int]:
    return [n for file in files for n in pq.read_table(file)["topic_offset"].to_pylist()]


def test_the_archive_gives_the_live_rows_of_the_hours_asked_for(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    store(bucket, range(3))
    store(bucket, range(3, 5))
    store(bucket, range(5, 7), shelf=NEXT)
    source = ArchiveSource(bucket=bucket, directory=tmp_path)
    assert source.span() == Span(start_s=SHELF.start_s, end_s=NEXT.start_s + HOUR_S)
    assert offsets(source.files(0, NEXT.start_s)) == [0, 1, 2, 3, 4]
    assert offsets(source.files(0, 2**40)) == [0, 1, 2, 3, 4, 5, 6]
    assert "json" not in pq.read_schema(source.files(0, 2**40)[0]).names


def test_an_hour_is_fetched_once_and_dropped_when_it_is_behind(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    store(bucket, range(3))
    store(bucket, range(3, 5), shelf=NEXT)
    fetched: list[str] = []
    bucket.before = lambda operation, key: fetched.append(key) if operation == "download" else None
    source = ArchiveSource(bucket=bucket, directory=tmp_path)
    source.files(0, 2**40)
    assert offsets(source.files(NEXT.start_s, 2**40)) == [3, 4]
    assert len(fetched) == 2
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_the_hours_fetched_are_told(bucket: MemoryBucket, tmp_path: Path) -> None:
    store(bucket, range(3))
    store(bucket, range(3, 5), shelf=NEXT)
    told: list[tuple[int, int]] = []
    source = ArchiveSource(
        bucket=bucket, directory=tmp_path, progress=lambda *counts: told.append(counts)
    )
    source.files(0, 2**40)
    assert told == [(1, 2), (2, 2)]


def test_a_partition_of_a_topic_made_anew_is_another_partition(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    store(bucket, range(1000, 1003))
    for topic in (TOPIC, ANEW):
        store(bucket, range(2), shelf=shelf_of(topic))
        store(bucket, range(2, 4), shelf=replace(NEXT, topic=topic))
    files = ArchiveSource(bucket=bucket, directory=tmp_path).files(0, 2**40)
    numbers: dict[int, list[int]] = {}
    for file in files:
        for row in pq.read_table(file).to_pylist():
            numbers.setdefault(row["topic_partition"], []).append(row["topic_offset"])
    assert sorted(map(sorted, numbers.values())) == [
        [0, 1, 2, 3],
        [0, 1, 2, 3],
        [1000, 1001, 1002],
    ]


def test_an_empty_archive_has_no_span(bucket: MemoryBucket, tmp_path: Path) -> None:
    source = ArchiveSource(bucket=bucket, directory=tmp_path)
    assert source.span() is None
    assert source.files(0, 2**40) == []


def test_an_object_that_cannot_be_read_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"spoilt")
    with pytest.raises(FatalError, match="txfeatures audit"):
        slim([tmp_path / "x"], tmp_path / "out.parquet")


def test_a_recording_is_one_partition_whose_clock_is_the_second_after_each_arrival(
    tmp_path: Path,
) -> None:
    lines = [
        {"arrived_at": 600.2, "tx": {"hash": "a", "time": 599, "fee": 1}},
        {"arrived_at": 700.0, "tx": {"hash": "b", "time": 10**9, "fee": 1}},
    ]
    path = tmp_path / "recording.ndjson.gz"
    path.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    source = RecordingSource(path=path, directory=tmp_path)
    assert source.is_complete
    assert source.span() == Span(start_s=540, end_s=720)
    (file,) = source.files(0, 1)
    assert pq.read_table(file)["feed_time_ms"].to_pylist() == [601_000, 700_000]
    assert pq.read_table(file)["topic_partition"].to_pylist() == [0, 0]
