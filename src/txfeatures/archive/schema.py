"""Transactions as Parquet; the same records give the same bytes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from txfeatures.domain.model import Record, TransactionHash
from txfeatures.domain.wire import decode_or_none, decode_output_value

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
        pa.field("output_value", pa.int64()),  # satoshi of all outputs
        pa.field("json", pa.binary()),  # as it came, byte for byte
        pa.field("topic_partition", pa.int32(), nullable=False),
        pa.field("topic_offset", pa.int64(), nullable=False),
        pa.field("feed_time_ms", pa.int64(), nullable=False),
    ]
)
"""Columns of the archive. A typed column is null if the JSON lacks the value or has it in
another type (``hash`` is valid or null); all are null if the JSON can't be read. The JSON
itself is always kept."""

WRITE_OPTIONS: Mapping[str, Any] = {
    "compression": "zstd",
    "use_dictionary": False,  # hashes and JSON never repeat, so a dictionary only costs space
    "write_page_checksum": True,  # without it a flipped bit is compacted instead of found
}

_INTEGERS = ("time", "fee", "size", "weight", "vin_sz", "vout_sz")
_NULL = msgspec.Raw(b"null")


class _Fields(msgspec.Struct, kw_only=True):
    """The fields of the JSON that have a column; undecoded, since each may be invalid."""

    hash: msgspec.Raw = _NULL
    time: msgspec.Raw = _NULL
    fee: msgspec.Raw = _NULL
    size: msgspec.Raw = _NULL
    weight: msgspec.Raw = _NULL
    rbf: msgspec.Raw = msgspec.Raw(b"false")  # the source leaves it out unless true
    vin_sz: msgspec.Raw = _NULL
    vout_sz: msgspec.Raw = _NULL
    out: msgspec.Raw = _NULL


_UNREADABLE = _Fields(rbf=_NULL)
_fields = msgspec.json.Decoder(_Fields)
_hash = msgspec.json.Decoder(TransactionHash)
_int64 = msgspec.json.Decoder(Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)])
_bool = msgspec.json.Decoder(bool)


def encode(records: Sequence[Record]) -> bytes:
    """Return one Parquet file with a row per record, in order, compressed with zstd."""
    found = [_decode_fields(record.value) for record in records]
    columns: dict[str, list[Any]] = {
        "hash": [decode_or_none(_hash, fields.hash) for fields in found],
        **{n: [decode_or_none(_int64, getattr(fields, n)) for fields in found] for n in _INTEGERS},
        "output_value": [decode_output_value(fields.out) for fields in found],
        "rbf": [decode_or_none(_bool, fields.rbf) for fields in found],
        "json": [record.value for record in records],
        "topic_partition": [record.partition for record in records],
        "topic_offset": [record.offset for record in records],
        "feed_time_ms": [record.timestamp_ms for record in records],
    }
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=SCHEMA), buffer, **WRITE_OPTIONS)
    return bytes(buffer.getvalue())


def _decode_fields(value: bytes | None) -> _Fields:
    return decode_or_none(_fields, value or b"") or _UNREADABLE
