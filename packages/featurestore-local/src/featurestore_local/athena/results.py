"""The format of Athena's results: type names, texts of values, CSV and pages."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyarrow import csv as pa_csv

_TYPES = {
    "HUGEINT": "bigint",  # the type of DuckDB's counts and sums
    "UBIGINT": "bigint",
    "BLOB": "varbinary",
    "FLOAT": "float",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "INTERVAL": "interval day to second",
    '"NULL"': "unknown",
}
_PRECISIONS = {
    "tinyint": 3,
    "smallint": 5,
    "integer": 10,
    "bigint": 19,
    "float": 17,
    "double": 17,
    "timestamp": 3,
    "timestamp with time zone": 3,
    "varchar": 2_147_483_647,
    "varbinary": 1_073_741_824,
}
# Doubles are written as in Java: plain between these bounds, with an exponent elsewhere.
_PLAIN_FROM, _PLAIN_TO = 1e-3, 1e7


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a result; ``kind`` is Athena's name of its type."""

    name: str
    kind: str

    def described(self) -> dict[str, Any]:
        """Return the members of ``ColumnInfo``."""
        return {
            "CatalogName": "hive",
            "SchemaName": "",
            "TableName": "",
            "Name": self.name,
            "Label": self.name,
            "Type": self.kind,
            "Precision": _PRECISIONS.get(self.kind, 0),
            "Scale": 0,
            "Nullable": "UNKNOWN",
            "CaseSensitive": self.kind == "varchar",
        }


def column(name: str, engine_type: object) -> Column:
    """Return a column with Athena's name of its type."""
    kind = str(engine_type)
    if kind.endswith("]"):
        kind = "array"
    elif kind.startswith(("DECIMAL", "STRUCT", "MAP")):
        kind = {"D": "decimal", "S": "row", "M": "map"}[kind[0]]
    return Column(name=name, kind=_TYPES.get(kind, kind.lower()))


def text(value: Any) -> str | None:
    """Return a value as Athena writes it; None for null.

    >>> text(1.7e9), text(0.5), text(True), text([1, None])
    ('1.7E9', '0.5', 'true', '[1, null]')
    """
    match value:
        case None | str():
            return value
        case bool():
            return str(value).lower()
        case float():
            return _double(value)
        case bytes():
            return value.hex(" ")
        case datetime():
            zone = "" if value.tzinfo is None else " UTC"
            return value.replace(tzinfo=None).isoformat(" ", "milliseconds") + zone
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case list():
            return f"[{', '.join(text(each) or 'null' for each in value)}]"
        case dict():
            inner = (f"{key}={text(each) or 'null'}" for key, each in value.items())
            return f"{{{', '.join(inner)}}}"
    return str(value)


def csv_of(columns: Sequence[Column], rows: Iterable[Sequence[str | None]]) -> bytes:
    """Return a result as the object that Athena writes: all values quoted, null left empty."""
    lines = [",".join(_quoted(each.name) for each in columns)]
    lines += [",".join("" if each is None else _quoted(each) for each in row) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def rows_of(body: bytes) -> list[list[str | None]]:
    """Return the rows of a result object, header first."""
    names = len(next(csv.reader(io.StringIO(body.decode()))))
    table = pa_csv.read_csv(
        io.BytesIO(body),
        read_options=pa_csv.ReadOptions(column_names=[str(index) for index in range(names)]),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={str(index): pa.string() for index in range(names)},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    return [list(row) for row in zip(*(c.to_pylist() for c in table.columns), strict=True)]


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _double(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    if value == 0 or _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return repr(value) if "e" not in repr(value) else f"{Decimal(repr(value)):f}"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)  # noqa: S101  # the value is finite
    fraction = "".join(str(digit) for digit in digits[1:]) or "0"
    return f"{'-' * sign}{digits[0]}.{fraction}E{exponent + len(digits) - 1}"
