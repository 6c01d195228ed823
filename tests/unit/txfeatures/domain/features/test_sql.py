from collections.abc import Mapping

import duckdb
import pytest

from tests.support.declared import COMPUTED, minute_sql
from txfeatures.domain.features import READABLE_SQL
from txfeatures.domain.model import MAX_MONEY_SAT

COLUMNS = ("hash", "time", "fee", "size", "weight", "rbf", "output_value")
TRANSACTION: Mapping[str, object] = {
    "hash": "ab" * 32,
    "time": 61,
    "fee": 300,
    "size": 90,
    "weight": 201,
    "rbf": True,
    "output_value": 4,
}


def query(sql: str, *transactions: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the rows of ``sql`` over a table ``archive`` of ``transactions``."""
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.execute(
            "CREATE TABLE archive (hash VARCHAR, time BIGINT, fee BIGINT, size BIGINT, "
            "weight BIGINT, rbf BOOLEAN, output_value BIGINT)"
        )
        for item in transactions:
            values = [item[column] for column in COLUMNS]
            engine.execute("INSERT INTO archive VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        found = engine.execute(sql)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_a_minute_has_its_start_the_features_in_declared_order_and_what_else_was_asked_for() -> (
    None
):
    [row] = query(minute_sql("archive", also={"latest_s": "max(time)"}), TRANSACTION)
    assert list(row) == ["minute_s", *COMPUTED, "is_exact", "latest_s"]
    assert (row["minute_s"], row["latest_s"]) == (60, 61)
    assert (row["total_vsize_1min"], row["total_output_value_1min"]) == (51, 4)


def test_there_is_a_row_for_each_minute_with_transactions_and_none_for_others() -> None:
    found = query(minute_sql("archive"), TRANSACTION, {**TRANSACTION, "time": 0}, TRANSACTION)
    assert {row["minute_s"]: row["total_nb_trx_1min"] for row in found} == {0: 1, 60: 2}


def test_null_contributes_nothing() -> None:
    bare = {**TRANSACTION, "size": None, "weight": None, "rbf": None, "output_value": None}
    [row] = query(minute_sql("archive"), bare)
    assert row["total_nb_trx_1min"] == 1
    for name in ("fee_rate_p50_1min", "total_vsize_1min", "rbf_share_1min"):
        assert row[name] == 0


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("hash", None),
        ("time", None),
        ("time", -1),
        ("fee", None),
        ("fee", -1),
        ("fee", MAX_MONEY_SAT + 1),
    ],
)
def test_what_the_stream_can_not_read_is_not_readable(column: str, value: object) -> None:
    [row] = query(f"SELECT {READABLE_SQL} AS readable FROM archive", {**TRANSACTION, column: value})
    assert row["readable"] is False


@pytest.mark.parametrize("fee", [0, MAX_MONEY_SAT])
def test_what_the_stream_can_read_is_readable(fee: int) -> None:
    [row] = query(f"SELECT {READABLE_SQL} AS readable FROM archive", {**TRANSACTION, "fee": fee})
    assert row["readable"] is True
