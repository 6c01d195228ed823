"""The layout of offline rows in S3: objects, partitions, columns."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from featurestore_local.model import FeatureGroup, OfflineSettings, Record
from featurestore_local.values import FeatureType, utc

_ARROW_TYPES = {
    FeatureType.INTEGRAL: "int64",
    FeatureType.FRACTIONAL: "float64",
    FeatureType.STRING: "string",
}
_PYTHON_TYPES = {FeatureType.INTEGRAL: int, FeatureType.FRACTIONAL: float, FeatureType.STRING: str}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineRow:
    """A record on its way to the offline store.

    Attributes:
        invoked_at_s: Time of the API call, in epoch seconds.
    """

    record: Record
    invoked_at_s: float


def partitions(
    group: FeatureGroup, rows: Sequence[OfflineRow]
) -> Iterator[tuple[str, list[OfflineRow]]]:
    """Yield rows grouped by the hour of their event time, or by the day for an Iceberg table."""

    def partition_of(row: OfflineRow) -> str:
        time = utc(row.record.event_time_ns)
        if group.offline is not None and group.offline.table_format == "Iceberg":
            return f"{group.event_time}_trunc={time:%Y-%m-%d}"
        return f"year={time:%Y}/month={time:%m}/day={time:%d}/hour={time:%H}"

    for partition, found in groupby(sorted(rows, key=partition_of), key=partition_of):
        yield partition, list(found)


def object_uri(
    offline: OfflineSettings, partition: str, rows: Sequence[OfflineRow], token: str
) -> str:
    """Return the S3 URI of the object that holds the rows of a partition.

    Args:
        offline: Settings that hold the root URI and the table format.
        partition: Path of the partition, as yielded by ``partitions``.
        rows: The partition's rows; their newest event time is part of the name.
        token: 24 alphanumeric characters that make the name unique.
    """
    newest = utc(max(row.record.event_time_ns for row in rows))
    shard = f"{token[16:24]}/" if offline.table_format == "Iceberg" else ""
    name = f"{newest:%Y%m%dT%H%M%SZ}_{token[:16]}.parquet"
    return f"{offline.resolved_s3_uri}/{shard}{partition}/{name}"


def parquet(group: FeatureGroup, rows: Sequence[OfflineRow], *, written_at_s: float) -> bytes:
    """Return rows as a Parquet file with AWS's columns, in definition order.

    Args:
        group: The group whose features become columns, null in rows without a value.
        rows: The rows, written in the given order.
        written_at_s: Time of writing, in epoch seconds.
    """
    # pyarrow is an optional dependency: groups without an offline store don't need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    instant = pa.timestamp("ms", tz="UTC")
    columns: dict[str, Any] = {
        name: pa.array(
            [_value(row.record, name, kind) for row in rows], pa.type_for_alias(_ARROW_TYPES[kind])
        )
        for name, kind in group.features.items()
    }
    # AWS records the time of the call in whole seconds.
    invoked_ms = [int(row.invoked_at_s) * 1000 for row in rows]
    columns["write_time"] = pa.array([int(written_at_s * 1000)] * len(rows), instant)
    columns["api_invocation_time"] = pa.array(invoked_ms, instant)
    columns["is_deleted"] = pa.array([row.record.is_deleted for row in rows], pa.bool_())
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, compression="none")
    return file.getvalue()


def _value(record: Record, name: str, kind: FeatureType) -> int | float | str | None:
    text = record.values.get(name)
    # Only in-memory groups have collections, and they have no offline store.
    return _PYTHON_TYPES[kind](text) if isinstance(text, str) else None
