import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from tests.unit.txfeatures.archive.parts import SHELF, part, store
from txfeatures.archive.layout import Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.reading import fetch, live_objects, relation
from txfeatures.archive.schema import SCHEMA
from txfeatures.domain.errors import TransientError

HOURS = [Shelf(date="2024-10-19", hour=f"{hour:02d}", partition=0) for hour in (9, 10, 11)]


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def test_live_objects_come_by_hour_partition_and_offset(bucket: MemoryBucket) -> None:
    other = Shelf(date="2024-10-19", hour="10", partition=1)
    names = [
        store(bucket, range(3), shelf=HOURS[0]),
        store(bucket, range(3, 5), shelf=HOURS[1]),
        store(bucket, range(5, 7), shelf=HOURS[1]),
        store(bucket, range(2), shelf=other),
        store(bucket, range(7, 9), shelf=HOURS[2]),
    ]
    assert live_objects(bucket) == names


def test_an_object_that_was_stored_but_not_made_live_is_left_out(bucket: MemoryBucket) -> None:
    name, body, rows = part(range(3))
    store_object(bucket, name, body, rows=rows)
    assert live_objects(bucket) == []


@pytest.mark.parametrize(
    ("start_s", "end_s", "found"),
    [
        (None, None, [0, 1, 2]),
        (HOURS[1].start_s, None, [1, 2]),
        (HOURS[1].start_s + 3599, None, [1, 2]),
        (None, HOURS[1].start_s, [0]),
        (None, HOURS[1].start_s + 1, [0, 1]),
        (HOURS[1].start_s, HOURS[2].start_s, [1]),
        (HOURS[2].start_s + 3600, None, []),
    ],
)
def test_hours_that_touch_the_span_are_read(
    bucket: MemoryBucket, start_s: int | None, end_s: int | None, found: list[int]
) -> None:
    names = [store(bucket, [hour], shelf=shelf) for hour, shelf in enumerate(HOURS)]
    wanted = [names[number] for number in found]
    assert live_objects(bucket, start_s=start_s, end_s=end_s) == wanted


def test_files_come_in_the_order_of_the_names_and_are_fetched_once(
    bucket: MemoryBucket, tmp_path: Path
) -> None:
    names = [store(bucket, [offset]) for offset in range(20)]
    files = fetch(bucket, names, tmp_path / "cache")
    assert [pq.read_table(file)["fee"].to_pylist() for file in files] == [[n] for n in range(20)]
    bucket.objects.clear()
    assert fetch(bucket, names, tmp_path / "cache") == files


def test_an_object_that_is_gone_asks_to_list_again(bucket: MemoryBucket, tmp_path: Path) -> None:
    name = store(bucket, range(3))
    del bucket.objects[name.key]
    with pytest.raises(TransientError, match="run it again"):
        fetch(bucket, [name], tmp_path)
    assert not list(tmp_path.glob("*.parquet"))


def test_a_relation_has_all_rows_and_columns(bucket: MemoryBucket, tmp_path: Path) -> None:
    names = [store(bucket, range(3)), store(bucket, range(3, 5))]
    rows = relation(duckdb.connect(), fetch(bucket, names, tmp_path))
    assert rows.columns == SCHEMA.names
    assert rows.aggregate("sum(fee), count(*)").fetchall() == [(10, 5)]


def test_a_relation_of_nothing_is_empty_and_has_its_columns() -> None:
    rows = relation(duckdb.connect(), [])
    assert rows.columns == SCHEMA.names
    assert rows.fetchall() == []


def without(body: bytes, *columns: str) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(pq.read_table(io.BytesIO(body)).drop_columns(list(columns)), buffer)
    return bytes(buffer.getvalue())


@pytest.mark.parametrize("old_files", [1, 2])
def test_columns_that_an_older_release_did_not_write_are_null(
    bucket: MemoryBucket, tmp_path: Path, old_files: int
) -> None:
    names = []
    for number in range(2):
        name, body, count = part([number])
        if number < old_files:
            body = without(body, "weight", "vin_sz")
        store_object(bucket, name, body, rows=count)
        Manifests(bucket).add(name)
        names.append(name)
    rows = relation(duckdb.connect(), fetch(bucket, names, tmp_path))
    assert set(rows.columns) == set(SCHEMA.names)
    found = rows.order("topic_offset").project("fee, weight, vin_sz").fetchall()
    assert found == [(0, None, None), (1, None, None)]


def test_a_column_of_a_newer_release_is_read_too(bucket: MemoryBucket, tmp_path: Path) -> None:
    old = store(bucket, [0])
    name, body, rows = part([1])
    newer = pq.read_table(io.BytesIO(body)).append_column("locktime", pa.array([9], pa.int64()))
    buffer = pa.BufferOutputStream()
    pq.write_table(newer, buffer)
    store_object(bucket, name, bytes(buffer.getvalue()), rows=rows)
    found = relation(duckdb.connect(), fetch(bucket, [old, name], tmp_path))
    assert found.order("topic_offset").project("locktime").fetchall() == [(None,), (9,)]


def test_shelves_of_the_support_code_are_where_the_layout_puts_them() -> None:
    assert Shelf.at(1_729_335_000, 0) == SHELF
