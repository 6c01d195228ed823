from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from featurestore_local.clock import ManualClock, SystemClock
from featurestore_local.errors import TableError
from featurestore_local.iceberg import IcebergTables
from featurestore_local.layout import OfflineRow, parquet
from featurestore_local.model import OfflineSettings, Record
from featurestore_local.values import FeatureType

LOCATION = "s3://lake/g"
OFFLINE = OfflineSettings(
    s3_uri="s3://lake",
    resolved_s3_uri=f"{LOCATION}/data",
    table_format="Iceberg",
    catalog=("AwsDataCatalog", "db", "t"),
)
FEATURES = {"id": FeatureType.STRING, "time": FeatureType.STRING, "count": FeatureType.INTEGRAL}


class Warehouse:
    """A table of moto's, in this process."""

    def __init__(self, group: Any) -> None:
        session = boto3.Session("any", "any", region_name="eu-west-1")
        self.s3: Any = session.client("s3")
        self.glue: Any = session.client("glue")
        self.s3.create_bucket(
            Bucket="lake", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        self.clock = ManualClock(SystemClock().now())
        self.tables = IcebergTables(self.glue, self.s3, self.clock)
        self.group = group
        self.tables.put(group)

    def store(self, number: int, day: str = "2023-11-15") -> str:
        """Store a row as an object that is in no table yet."""
        values = {"id": str(number), "time": f"{day}T12:00:00Z", "count": str(number)}
        row = OfflineRow(
            record=Record(record_id=str(number), event_time_ns=0, values=values), invoked_at_s=0.0
        )
        key = f"g/data/abc/time_trunc={day}/{number}.parquet"
        self.s3.put_object(
            Bucket="lake", Key=key, Body=parquet(self.group, [row], written_at_s=0.0)
        )
        return f"s3://lake/{key}"

    def append(self, *numbers: int) -> None:
        self.tables.append("db", "t", [self.store(number) for number in numbers])

    def names(self) -> list[str]:
        files = self.tables.data_files("db", "t")
        return sorted(file.file_path.rpartition("/")[2] for file in files)

    def keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]


@pytest.fixture
def warehouse(make_group: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)  # moto answers for AWS's own addresses
    with mock_aws():
        yield Warehouse(make_group(offline=OFFLINE, features=FEATURES))


def test_a_table_is_partitioned_by_the_day_of_the_event_time(warehouse: Warehouse) -> None:
    warehouse.tables.append("db", "t", [warehouse.store(1), warehouse.store(2, day="2023-11-16")])
    found = warehouse.tables.data_files("db", "t")
    assert sorted(file.partition[0] for file in found) == ["2023-11-15", "2023-11-16"]
    table = warehouse.glue.get_table(DatabaseName="db", Name="t")["Table"]
    assert table["StorageDescriptor"]["Location"] == LOCATION
    assert table["Parameters"]["table_type"] == "ICEBERG"


def test_features_that_are_added_come_before_the_columns_of_aws(
    warehouse: Warehouse, make_group: Any
) -> None:
    warehouse.append(1)
    warehouse.group = make_group(
        offline=OFFLINE, features=FEATURES | {"later": FeatureType.FRACTIONAL}
    )
    warehouse.tables.put(warehouse.group)
    warehouse.append(2)
    described = warehouse.glue.get_table(DatabaseName="db", Name="t")["Table"]
    assert [column["Name"] for column in described["StorageDescriptor"]["Columns"]] == [
        "id", "time", "count", "later", "write_time", "api_invocation_time", "is_deleted",
    ]  # fmt: skip
    assert warehouse.names() == ["1.parquet", "2.parquet"]


def test_commits_of_several_threads_are_all_kept(warehouse: Warehouse) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(warehouse.append, range(8)))
    assert len(warehouse.names()) == 8


def test_a_commit_that_glue_refuses_leaves_the_table_as_it_was(warehouse: Warehouse) -> None:
    warehouse.append(1)

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalServiceException"}}, "UpdateTable")

    warehouse.glue.update_table, update = refuse, warehouse.glue.update_table
    with pytest.raises(ClientError):
        warehouse.append(2)
    warehouse.glue.update_table = update
    assert warehouse.names() == ["1.parquet"]
    warehouse.append(3)
    assert warehouse.names() == ["1.parquet", "3.parquet"]


def test_snapshots_do_not_pile_up(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featurestore_local.iceberg._MOST_SNAPSHOTS", 4)
    monkeypatch.setattr("featurestore_local.iceberg._SNAPSHOTS_KEPT", 2)
    for number in range(5):
        warehouse.append(number)
    assert len(warehouse.names()) == 5
    assert len(warehouse.keys("g/metadata/snap-")) == 2
    assert len(warehouse.keys("g/data/")) == 5


@pytest.mark.parametrize(
    ("age_s", "keep", "left"), [(7200, 1, 3), (0, 1, 1), (0, 2, 3)], ids=["young", "old", "kept"]
)
def test_only_what_no_kept_snapshot_reads_is_deleted(
    warehouse: Warehouse, age_s: float, keep: int, left: int
) -> None:
    warehouse.append(1, 2)
    packed = warehouse.store(12)
    warehouse.tables.rewrite("db", "t", lambda files: {packed: files})
    warehouse.clock.advance(3600)  # snapshots bear the time of the machine
    warehouse.tables.expire("db", "t", max_age_s=age_s, keep=keep)
    assert warehouse.names() == ["12.parquet"]
    assert len(warehouse.keys("g/data/")) == left


def test_a_table_that_is_gone_is_an_error_in_words(warehouse: Warehouse) -> None:
    warehouse.glue.delete_table(DatabaseName="db", Name="t")
    with pytest.raises(TableError, match=r"Table does not exist: db\.t"):
        warehouse.append(1)


def test_a_table_of_another_kind_is_not_taken_over(warehouse: Warehouse) -> None:
    warehouse.glue.update_table(
        DatabaseName="db", TableInput={"Name": "t", "Parameters": {"table_type": "x"}}
    )
    with pytest.raises(TableError, match="already exists"):
        warehouse.tables.put(warehouse.group)
