import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from featurestore_support.account import FEATURES, NOON, NOON_S, Account

pytestmark = pytest.mark.integration

COLUMNS = [*FEATURES, "write_time", "api_invocation_time", "is_deleted"]


@pytest.mark.rule("O1", "S2")
def test_every_put_becomes_an_offline_row_also_the_historic_ones(
    account: Account, both: str, record_id: str
) -> None:
    for event_time, count in ((NOON_S, 1), (NOON_S, 2), (NOON_S - 1, 3)):
        account.put(both, record_id, event_time, count=count)
    rows = account.offline_rows(both, record_id, 3)
    assert sorted(row["count"] for row in rows) == [1, 2, 3]
    assert account.online(both, record_id)["count"] == "1"


@pytest.mark.rule("O2", "O3")
def test_offline_objects_lie_by_the_hour_of_the_event_with_typed_columns(
    account: Account, record_id: str
) -> None:
    group = account.group()
    account.put(group, record_id, fee=0.5)
    [row] = account.offline_rows(group, record_id, 1)
    [(key, table)] = account.offline_tables(group)
    partition, _, name = key.rpartition("/")
    assert partition == "year=2023/month=11/day=15/hour=12"
    stamp, _, token = name.removesuffix(".parquet").partition("_")
    assert (stamp, len(token), token.isalnum()) == ("20231115T120000Z", 16, True)
    assert table.column_names == COLUMNS
    assert table.schema.types[:4] == [pa.string(), pa.float64(), pa.int64(), pa.float64()]
    assert pa.types.is_timestamp(table.schema.field("write_time").type)
    assert pa.types.is_boolean(table.schema.field("is_deleted").type)
    assert row["api_invocation_time"].microsecond == 0


@pytest.mark.rule("O4")
def test_objects_of_an_iceberg_table_lie_by_the_day_beside_their_metadata(
    account: Account, record_id: str
) -> None:
    group = account.iceberg_group()
    account.put(group, record_id, NOON)
    account.offline_rows(group, record_id, 1)
    [(key, table)] = account.offline_tables(group)
    shard, partition, name = key.split("/")
    assert (len(shard), shard.isalnum()) == (8, True)
    assert partition == "event_time_trunc=2023-11-15"
    stamp, _, token = name.removesuffix(".parquet").partition("_")
    assert (stamp, len(token), token.isalnum()) == ("20231115T120000Z", 16, True)
    assert table.column_names == COLUMNS
    offline = account.settled(group)["OfflineStoreConfig"]
    uri = offline["S3StorageConfig"]["ResolvedOutputS3Uri"].removesuffix("/data")
    listed = account.client("s3").list_objects_v2(
        Bucket=account.bucket, Prefix=f"{uri.removeprefix(f's3://{account.bucket}/')}/metadata/"
    )
    assert listed["KeyCount"] >= 1


@pytest.mark.rule("O11")
def test_iceberg_readers_read_the_rows_before_and_after_a_compaction(
    account: Account, record_id: str
) -> None:
    group = account.iceberg_group()
    for second in range(2):
        account.put(group, record_id, f"2023-11-15T12:00:0{second}Z", count=second)
        account.offline_rows(group, record_id, second + 1)
    assert account.eventually(lambda: len(account.scanned(group)) == 2)
    before = account.scanned(group)
    assert [row["count"] for row in before] == [0, 1]
    assert list(before[0]) == COLUMNS
    statement = f"OPTIMIZE {account.table(group)} REWRITE DATA USING BIN_PACK"
    assert account.query(statement)["Status"]["State"] == "SUCCEEDED"
    assert account.scanned(group) == before


@pytest.mark.rule("O5", "O6", "O3")
def test_a_glue_table_describes_the_offline_store(account: Account, both: str) -> None:
    offline = account.settled(both)["OfflineStoreConfig"]
    catalog = offline["DataCatalogConfig"]
    assert catalog["Database"] == "sagemaker_featurestore"
    table = account.client("glue").get_table(
        DatabaseName=catalog["Database"], Name=catalog["TableName"]
    )["Table"]
    storage = table["StorageDescriptor"]
    assert storage["Location"] == offline["S3StorageConfig"]["ResolvedOutputS3Uri"]
    assert [(column["Name"], column["Type"]) for column in storage["Columns"]] == [
        ("minute", "string"),
        ("event_time", "double"),
        ("count", "bigint"),
        ("fee", "double"),
        ("write_time", "timestamp"),
        ("api_invocation_time", "timestamp"),
        ("is_deleted", "boolean"),
    ]
    assert table.get("PartitionKeys", []) == []


@pytest.mark.rule("G11", "O5")
def test_a_database_and_a_table_of_ones_own_are_taken(account: Account, record_id: str) -> None:
    catalog = {"Catalog": "AwsDataCatalog", "Database": "contract", "TableName": f"t{id(account)}"}
    storage = {"S3Uri": f"s3://{account.bucket}/contract"}
    group = account.group(
        OfflineStoreConfig={"S3StorageConfig": storage, "DataCatalogConfig": catalog}
    )
    assert account.settled(group)["OfflineStoreConfig"]["DataCatalogConfig"] == catalog
    account.put(group, record_id)
    account.offline_rows(group, record_id, 1)
    assert account.rows(f"SELECT minute FROM contract.t{id(account)}") == [[record_id]]


@pytest.mark.rule("O7")
def test_the_latest_row_is_ranked_first_and_tombstones_dropped_after(
    account: Account, both: str, record_id: str
) -> None:
    account.put(both, record_id, NOON_S, count=1)
    account.put(both, record_id, NOON_S + 1, count=2)
    account.put(both, f"{record_id} dead", NOON_S, count=3)
    account.client("sagemaker-featurestore-runtime").delete_record(
        FeatureGroupName=both,
        RecordIdentifierValueAsString=f"{record_id} dead",
        EventTime=str(NOON_S + 1),
    )
    account.offline_rows(both, record_id, 2)
    account.offline_rows(both, f"{record_id} dead", 2)
    sql = f"""
        SELECT minute, "count" FROM (
            SELECT *, row_number() OVER (
                PARTITION BY minute
                ORDER BY event_time DESC, api_invocation_time DESC, write_time DESC
            ) AS rn
            FROM {account.table(both)}
        ) WHERE rn = 1 AND NOT is_deleted AND minute LIKE ?
    """
    assert account.rows(sql, ExecutionParameters=[f"'{record_id}%'"]) == [[record_id, "2"]]


@pytest.mark.rule("O8")
def test_optimize_and_vacuum_make_few_objects_of_many_and_change_no_row(
    account: Account, record_id: str
) -> None:
    group = account.iceberg_group()
    for second in range(3):
        account.put(group, record_id, f"2023-11-15T12:00:0{second}Z", count=second)
        account.offline_rows(group, record_id, second + 1)
    table = account.table(group)
    sql = f'SELECT event_time, "count" FROM {table} ORDER BY 1'
    before = account.rows(sql)
    assert len(before) == 3
    for statement in (
        f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK",
        f"ALTER TABLE {table} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '1')",
    ):
        assert account.query(statement)["Status"]["State"] == "SUCCEEDED"
        assert account.rows(sql) == before

    def vacuumed() -> list[tuple[str, pa.Table]] | None:
        assert account.query(f"VACUUM {table}")["Status"]["State"] == "SUCCEEDED"
        assert account.rows(sql) == before
        objects = account.offline_tables(group)
        return objects if len(objects) == 1 else None

    [(_, packed)] = account.eventually(vacuumed)
    assert packed.num_rows == 3


@pytest.mark.rule("O10")
def test_objects_of_another_writer_are_rows_too(account: Account, record_id: str) -> None:
    group = account.group()
    offline = account.settled(group)["OfflineStoreConfig"]
    uri = offline["S3StorageConfig"]["ResolvedOutputS3Uri"]
    row: dict[str, Any] = {"minute": record_id, "event_time": 1.5, "count": 7, "fee": None}
    schema = pa.schema(
        [
            ("minute", pa.string()),
            ("event_time", pa.float64()),
            ("count", pa.int64()),
            ("fee", pa.float64()),
        ]
    )
    body = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([row], schema), body)
    key = (
        f"{uri.removeprefix(f's3://{account.bucket}/')}/year=1970/month=01/day=01/hour=00/x.parquet"
    )
    account.client("s3").put_object(Bucket=account.bucket, Key=key, Body=body.getvalue())
    sql = f'SELECT minute, "count", is_deleted FROM {account.table(group)}'
    assert account.rows(sql) == [[record_id, "7", None]]
