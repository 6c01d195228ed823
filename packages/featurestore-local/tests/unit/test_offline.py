import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from featurestore_local.clock import ManualClock
from featurestore_local.errors import TableError
from featurestore_local.model import OfflineSettings, Record
from featurestore_local.offline import OfflineStore, flush_regularly
from featurestore_local.registry import Registry

ICEBERG = OfflineSettings(
    s3_uri="s3://b",
    resolved_s3_uri="s3://b/data",
    table_format="Iceberg",
    catalog=("AwsDataCatalog", "db", "table"),
)


class FakeS3:
    def __init__(self) -> None:
        self.is_up = True
        self.keys: list[str] = []

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:  # noqa: N803
        if not self.is_up:
            raise ClientError({"Error": {"Code": "NoSuchBucket", "Message": Bucket}}, "PutObject")
        assert Body.startswith(b"PAR1")
        self.keys.append(Key)


class FakeTables:
    def __init__(self) -> None:
        self.added: list[tuple[str, str, list[str]]] = []
        self.error: TableError | None = None

    def append(self, database: str, name: str, uris: list[str]) -> None:
        if self.error is not None:
            raise self.error
        self.added.append((database, name, uris))


def record(event_time_s: int) -> Record:
    return Record(record_id="a", event_time_ns=event_time_s * 10**9, values={"id": "a"})


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def tables() -> Any:
    return FakeTables()


@pytest.fixture
def offline(registry: Registry, s3: Any, tables: Any, clock: ManualClock) -> OfflineStore:
    return OfflineStore(registry, s3=s3, iceberg=lambda: tables, clock=clock)


def test_rows_become_one_object_per_partition(
    offline: OfflineStore, s3: FakeS3, make_group: Any
) -> None:
    for event_time_s in (0, 10, 3600):
        offline.file(make_group(), record(event_time_s))
    assert s3.keys == []
    assert offline.flush() == 0
    assert [key.rpartition("/")[0] for key in s3.keys] == [
        "x/group/data/year=1970/month=01/day=01/hour=00",
        "x/group/data/year=1970/month=01/day=01/hour=01",
    ]


def test_written_rows_are_not_written_again(
    offline: OfflineStore, s3: FakeS3, make_group: Any
) -> None:
    offline.file(make_group(), record(0))
    offline.flush()
    offline.flush()
    assert len(s3.keys) == 1


def test_refused_rows_wait_and_block_the_store_until_they_are_written(
    offline: OfflineStore,
    s3: FakeS3,
    registry: Registry,
    make_group: Any,
) -> None:
    state = registry.create(make_group(), {})
    offline.file(state.group, record(0))
    s3.is_up = False
    assert offline.flush() == 1
    assert "NoSuchBucket" in (state.blocked_reason or "")
    s3.is_up = True
    assert offline.flush() == 0
    assert state.blocked_reason is None
    assert len(s3.keys) == 1


def test_an_iceberg_table_hears_of_its_objects(
    offline: OfflineStore, s3: FakeS3, tables: FakeTables, make_group: Any
) -> None:
    for day in range(2):
        offline.file(make_group(offline=ICEBERG), record(day * 86_400))
    assert offline.flush() == 0
    assert tables.added == [("db", "table", [f"s3://b/{key}" for key in s3.keys])]
    assert len(s3.keys) == 2


def test_rows_that_an_iceberg_table_refuses_wait(
    offline: OfflineStore, tables: FakeTables, make_group: Any
) -> None:
    offline.file(make_group(offline=ICEBERG), record(0))
    tables.error = TableError("Table does not exist: db.table")
    assert offline.flush() == 1
    tables.error = None
    assert offline.flush() == 0
    assert len(tables.added) == 1


def test_a_flush_follows_each_delay_until_the_stop(clock: ManualClock) -> None:
    stop = threading.Event()
    times: list[float] = []

    def flush() -> int:
        times.append(clock.monotonic())
        if len(times) == 2:
            stop.set()
        return 0

    flush_regularly(flush, stop=stop, clock=clock, delay_s=5.0)
    assert times == [5.0, 10.0]
