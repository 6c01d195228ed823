import io
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from txfeatures.archive.schema import SCHEMA, encode
from txfeatures.domain.model import Record

TRANSACTION: dict[str, Any] = {
    "hash": "ab" * 32,
    "ver": 2,
    "vin_sz": 1,
    "vout_sz": 2,
    "size": 181,
    "weight": 520,
    "fee": 29_100_000_000,
    "relayed_by": "0.0.0.0",
    "tx_index": 4280176889161170,
    "time": 1729081889,
    "inputs": [{"sequence": 4294967293, "prev_out": None}],
    "out": [{"value": 6798103526}],
    "rbf": True,
}


def record(value: bytes | None, *, offset: int = 0) -> Record:
    return Record(
        topic="deduped",
        partition=3,
        offset=offset,
        key=b"ab" * 32,
        value=value,
        timestamp_ms=1729081890_123,
    )


def rows(*values: bytes | None) -> list[dict[str, Any]]:
    body = encode([record(value, offset=offset) for offset, value in enumerate(values)])
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(body)).to_pylist()
    return found


def changed(**fields: Any) -> bytes:
    return msgspec.json.encode(TRANSACTION | fields)


def test_a_transaction_becomes_typed_columns_its_json_and_its_place() -> None:
    value = changed()
    assert rows(value) == [
        {
            "hash": "ab" * 32,
            "time": 1729081889,
            "fee": 29_100_000_000,
            "size": 181,
            "weight": 520,
            "rbf": True,
            "vin_sz": 1,
            "vout_sz": 2,
            "output_value": 6798103526,
            "json": value,
            "topic_partition": 3,
            "topic_offset": 0,
            "feed_time_ms": 1729081890_123,
        }
    ]


def test_json_is_kept_byte_for_byte_with_its_spaces_and_its_order() -> None:
    value = b'{ "fee" : 1.0e0,\n "hash":"caf\\u00e9", "zz": 9007199254740993 }'
    assert rows(value)[0]["json"] == value


def test_rbf_is_false_where_the_source_leaves_it_out() -> None:
    value = msgspec.json.encode({k: v for k, v in TRANSACTION.items() if k != "rbf"})
    assert rows(value)[0]["rbf"] is False


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("fee", None),
        ("fee", "3406"),
        ("fee", 3406.5),
        ("fee", True),
        ("size", 2**63),
        ("time", -(2**63) - 1),
        ("hash", 7),
        ("hash", "AB" * 32),
        ("rbf", 1),
        ("vin_sz", [1]),
    ],
)
def test_a_value_of_another_type_is_null_and_the_others_stay(column: str, value: Any) -> None:
    (row,) = rows(changed(**{column: value}))
    assert row[column] is None
    assert row["weight"] == 520


@pytest.mark.parametrize(
    "value",
    [None, b"", b"not json", b"[1, 2]", b'"text"', b"\xff", b'{"x":' + b"[" * 100_000],
    ids=["none", "empty", "text", "list", "string", "not_utf8", "nested"],
)
def test_a_value_that_cannot_be_read_is_kept_with_null_columns(value: bytes | None) -> None:
    (row,) = rows(value)
    assert row["json"] == value
    assert {row[name] for name in SCHEMA.names[:8]} == {None}
    assert row["topic_partition"] == 3


def test_text_that_is_not_utf_8_makes_only_its_own_column_null() -> None:
    (row,) = rows(b'{"hash": "\xff", "weight": {"a": "\xff"}, "fee": 7}')
    assert (row["hash"], row["weight"], row["fee"]) == (None, None, 7)


def test_columns_have_the_declared_types_even_if_all_values_are_null() -> None:
    assert pq.read_table(io.BytesIO(encode([record(None)]))).schema.equals(SCHEMA)
    assert SCHEMA.field("fee").type == pa.int64()
    assert SCHEMA.field("json").type == pa.binary()


def test_rows_keep_their_order() -> None:
    values = [changed(fee=fee) for fee in range(50)]
    assert [row["fee"] for row in rows(*values)] == list(range(50))


def test_equal_records_make_equal_bytes() -> None:
    values = [changed(fee=fee) for fee in range(50)]
    assert encode([record(v) for v in values]) == encode([record(v) for v in values])


def test_the_largest_transaction_ever_seen_fits() -> None:
    value = changed(inputs=[{"sequence": i, "script": "ab" * 100} for i in range(20_000)])
    assert len(value) > 4_400_000
    assert rows(value)[0]["json"] == value


def test_columns_are_compressed_with_zstd() -> None:
    metadata = pq.ParquetFile(io.BytesIO(encode([record(changed())]))).metadata
    column = metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
