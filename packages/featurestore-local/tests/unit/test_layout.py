import io
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore_local.layout import OfflineRow, object_uri, parquet, partitions
from featurestore_local.model import OfflineSettings, Record
from featurestore_local.values import NS_PER_S

TOKEN = "abcdefghijklmnop12345678"
TEN_S = 1_699_956_000  # 2023-11-14T10:00:00Z


def row(time_s: int, **values: str) -> OfflineRow:
    record = Record(record_id="a", event_time_ns=time_s * NS_PER_S, values={"id": "a", **values})
    return OfflineRow(record=record, invoked_at_s=1_700_000_000.9)


def test_rows_are_parted_by_the_hour_of_their_event_time(make_group: Any) -> None:
    rows = [row(TEN_S + 3600), row(TEN_S), row(TEN_S + 3599)]
    assert [(name, len(part)) for name, part in partitions(make_group(), rows)] == [
        ("year=2023/month=11/day=14/hour=10", 2),
        ("year=2023/month=11/day=14/hour=11", 1),
    ]


def test_an_object_is_named_after_its_newest_event(make_group: Any) -> None:
    uri = object_uri(make_group().offline, "hour=10", [row(TEN_S + 5), row(TEN_S)], TOKEN)
    assert uri == "s3://b/x/group/data/hour=10/20231114T100005Z_abcdefghijklmnop.parquet"


def test_iceberg_objects_are_parted_by_day(make_group: Any) -> None:
    offline = OfflineSettings(
        s3_uri="s3://b", resolved_s3_uri="s3://b/data", table_format="Iceberg"
    )
    group = make_group(offline=offline)
    [(partition, part)] = partitions(group, [row(TEN_S), row(TEN_S + 3600)])
    assert partition == "time_trunc=2023-11-14"
    uri = object_uri(offline, partition, part, TOKEN)
    assert uri.startswith("s3://b/data/12345678/time_trunc=2023-11-14/20231114T110000Z_")


def test_columns_are_typed_and_missing_values_null(make_group: Any) -> None:
    rows = [row(TEN_S, time=str(TEN_S), count=str(2**63 - 1)), row(TEN_S)]
    table = pq.read_table(io.BytesIO(parquet(make_group(), rows, written_at_s=1_700_000_001.25)))
    instant = pa.timestamp("ms", tz="UTC")
    assert table.schema.equals(
        pa.schema(
            {
                "id": pa.string(),
                "time": pa.float64(),
                "count": pa.int64(),
                "write_time": instant,
                "api_invocation_time": instant,
                "is_deleted": pa.bool_(),
            }
        )
    )
    assert table["count"].to_pylist() == [2**63 - 1, None]
    assert table["write_time"][0].as_py() == datetime.fromtimestamp(1_700_000_001.25, UTC)
    assert table["api_invocation_time"][0].as_py() == datetime.fromtimestamp(1_700_000_000, UTC)
