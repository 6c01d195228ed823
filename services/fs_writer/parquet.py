"""Transactions as Parquet: the same records make the same bytes."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from txfeatures.model import Record

_INT64 = range(-(2**63), 2**63)

SCHEMA = pa.schema(
    [
        pa.field("hash", pa.string()),
        pa.field("time", pa.int64()),  # epoch seconds
        pa.field("fee", pa.int64()),  # satoshi
        pa.field("size", pa.int64()),  # bytes
        pa.field("weight", pa.int64()),
        pa.field("rbf", pa.bool_()),
        pa.field("vin_sz", pa.int64()),
        pa.field("vout_sz", pa.int64()),
        pa.field("json", pa.binary()),  # as it came, byte for byte
        pa.field("topic_partition", pa.int32(), nullable=False),
        pa.field("topic_offset", pa.int64(), nullable=False),
        pa.field("feed_time_ms", pa.int64(), nullable=False),
    ]
)
"""Columns of the archive. A typed column is null where the JSON lacks the value or has
it in another type; all are null if the JSON can't be read. It is kept in any case."""

_INTEGERS = ("time", "fee", "size", "weight", "vin_sz", "vout_sz")


class _Typed(msgspec.Struct, kw_only=True):
    """What is lifted out of the JSON, of any type: the source is not to be trusted."""

    hash: Any = None
    time: Any = None
    fee: Any = None
    size: Any = None
    weight: Any = None
    rbf: Any = False  # the source leaves it out unless true
    vin_sz: Any = None
    vout_sz: Any = None


_UNREADABLE = _Typed(rbf=None)
_typed = msgspec.json.Decoder(_Typed)


def encode(records: Sequence[Record]) -> bytes:
    """Return one Parquet file with a row per record, in order, compressed with zstd."""
    typed = [_lift(record.value) for record in records]
    columns: dict[str, list[Any]] = {
        "hash": [t.hash if isinstance(t.hash, str) else None for t in typed],
        **{name: [_int64(getattr(t, name)) for t in typed] for name in _INTEGERS},
        "rbf": [t.rbf if isinstance(t.rbf, bool) else None for t in typed],
        "json": [record.value for record in records],
        "topic_partition": [record.partition for record in records],
        "topic_offset": [record.offset for record in records],
        "feed_time_ms": [record.timestamp_ms for record in records],
    }
    buffer = pa.BufferOutputStream()
    # Hashes and JSON never repeat, so dictionaries would only cost.
    pq.write_table(
        pa.table(columns, schema=SCHEMA), buffer, compression="zstd", use_dictionary=False
    )
    return bytes(buffer.getvalue())


def _lift(value: bytes | None) -> _Typed:
    try:
        return _typed.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _UNREADABLE


def _int64(value: object) -> int | None:
    return value if type(value) is int and value in _INT64 else None
