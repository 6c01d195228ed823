from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from featurestore_local.athena.results import Column, column, csv_of, rows_of, text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("a", "a"),
        (7, "7"),
        (False, "false"),
        (0.0, "0.0"),
        (0.5, "0.5"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9_999_999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (-1_700_000_000.25, "-1.70000000025E9"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (b"\x00\xff", "00 ff"),
        (Decimal("1.50"), "1.50"),
        (date(2023, 11, 15), "2023-11-15"),
        (datetime(2023, 11, 15, 12, 0, 0, 1000), "2023-11-15 12:00:00.001"),
        (datetime(2023, 11, 15, 12, tzinfo=UTC), "2023-11-15 12:00:00.000 UTC"),
        ([1, None, "a"], "[1, null, a]"),
        ({"a": 1, "b": None}, "{a=1, b=null}"),
    ],
)
def test_values_are_written_in_athenas_way(value: object, expected: str | None) -> None:
    assert text(value) == expected


@pytest.mark.parametrize(
    ("engine_type", "kind"),
    [
        ("BIGINT", "bigint"),
        ("HUGEINT", "bigint"),
        ("BLOB", "varbinary"),
        ("DECIMAL(5,2)", "decimal"),
        ("INTEGER[]", "array"),
        ("STRUCT(a INTEGER)", "row"),
        ("MAP(VARCHAR, INTEGER)", "map"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone"),
        ('"NULL"', "unknown"),
    ],
)
def test_types_have_athenas_names(engine_type: str, kind: str) -> None:
    assert column("x", engine_type) == Column(name="x", kind=kind)
    assert column("x", engine_type).described()["Type"] == kind


def test_rows_come_back_from_csv_as_they_went() -> None:
    columns = [column(name, "VARCHAR") for name in ('a","b', "x", "x")]
    rows: list[list[str | None]] = [["1", None, ""], ['"', "a,b", "two\nlines"], [None] * 3]
    body = csv_of(columns, rows)
    assert body.splitlines()[0] == b'"a"",""b","x","x"'
    assert rows_of(body) == [['a","b', "x", "x"], *rows]


def test_a_result_without_rows_has_its_header() -> None:
    assert rows_of(csv_of([column("x", "VARCHAR")], [])) == [["x"]]
