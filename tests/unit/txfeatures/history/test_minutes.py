import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.declared import DEFAULT
from txfeatures.archive.schema import encode
from txfeatures.domain.model import MAX_MONEY_SAT, Record
from txfeatures.domain.rules import Rules
from txfeatures.history.engine import engine
from txfeatures.history.sources import FileSource, read_minutes, slim
from txfeatures.history.span import Span

START_S = 1_729_296_000
SPAN = Span(start_s=START_S, end_s=START_S + 600)
RULES = Rules()


def tx(name: int | str, time_s: int, fee: int = 1) -> bytes:
    text = name if isinstance(name, str) else f"{name:064x}"
    return json.dumps({"hash": text, "time": START_S + time_s, "fee": fee}).encode()


def record(offset: int, feed_s: float, value: bytes, partition: int = 0) -> Record:
    return Record(
        topic="deduped", partition=partition, offset=offset, key=b"k", value=value,
        timestamp_ms=round((START_S + feed_s) * 1000),
    )  # fmt: skip


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with engine(tmp_path) as opened:
        yield opened


def recompute(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *objects: Sequence[Record],
    rules: Rules = RULES,
    is_complete: bool = True,
) -> list[dict[str, Any]]:
    paths = []
    for number, records in enumerate(objects):
        (folder / "whole").write_bytes(encode(records))
        paths.append(folder / f"{number}.parquet")
        slim([folder / "whole"], paths[-1])
    source = FileSource(paths=paths, whole=SPAN, is_complete=is_complete)
    minutes = read_minutes(connection, source, SPAN, rules=rules, declaration=DEFAULT)
    found = minutes.revisions.order("tx_minute, revision")
    return [
        dict(zip(found.columns, row, strict=True)) | {"withheld": minutes.withheld}
        for row in found.fetchall()
    ]


def brief(rows: list[dict[str, Any]]) -> list[tuple[str, int, int, int, float]]:
    return [
        (
            row["tx_minute"][14:16], row["revision"], row["total_nb_trx_1min"],
            row["nb_late_trx_1min"], row["event_time"] - START_S,
        )
        for row in rows
    ]  # fmt: skip


def test_a_repeat_of_a_hash_counts_once_the_first_time(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = recompute(
        connection,
        tmp_path,
        [record(0, 1, tx(1, 0, fee=5)), record(1, 2, tx(2, 1)), record(2, 3, tx(1, 2, fee=7))],
    )
    assert (found[0]["total_nb_trx_1min"], found[0]["total_fee_1min"]) == (2, 6)


def test_a_hash_that_was_forgotten_counts_again(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rules = Rules(remember_s=60)
    found = recompute(
        connection, tmp_path, [record(0, 1, tx(1, 0)), record(1, 61, tx(1, 60))], rules=rules
    )
    assert [row["total_nb_trx_1min"] for row in found] == [1, 1]


def test_records_that_lie_in_two_objects_count_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    records = [record(0, 1, tx(1, 0)), record(1, 2, tx(2, 1))]
    assert brief(recompute(connection, tmp_path, records, records))[0][:3] == ("00", 1, 2)


@pytest.mark.parametrize(
    "value",
    [
        b"no json",
        tx("A" * 64, 0),
        tx(7, -START_S - 1),
        tx(7, 0, fee=-1),
        tx(7, 0, fee=MAX_MONEY_SAT + 1),
    ],
)
def test_what_the_aggregator_cannot_read_does_not_count(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, value: bytes
) -> None:
    found = recompute(connection, tmp_path, [record(0, 1, tx(1, 0)), record(1, 2, value)])
    assert [row["total_nb_trx_1min"] for row in found] == [1]


def test_a_minute_is_known_when_all_partitions_have_closed_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = [record(0, 100, tx(1, 0)), record(1, 100, tx(2, 120))]
    second = [record(0, 105, tx(3, 1), partition=1), record(1, 110.5, tx(4, 130), partition=1)]
    second.append(record(2, 111, tx(5, 131), partition=1))
    found = brief(recompute(connection, tmp_path, first, second, is_complete=False))
    assert found == [("00", 1, 2, 0, 111)]


def test_a_partition_that_stands_still_closes_by_the_clock_of_the_others(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    busy = [record(n, n * 10, tx(n, n * 10)) for n in range(20)]
    still = [record(0, 1, tx(99, 1), partition=1)]
    found = brief(recompute(connection, tmp_path, busy, still, is_complete=False))
    assert found == [("00", 1, 7, 0, 120), ("01", 1, 6, 0, 180)]


def test_an_alive_minute_without_transactions_has_zeros_and_others_have_no_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    found = recompute(connection, tmp_path, [record(0, 1, tx(1, 0)), record(1, 130, tx(2, 55))])
    assert brief(found) == [("00", 1, 1, 0, 120), ("00", 2, 2, 1, 130), ("02", 1, 0, 0, 240)]
    assert found[-1]["avg_fee_1min"] == 0.0
    assert found[-1]["nb_gaps_1min"] is None


def test_a_late_transaction_makes_another_revision_when_it_came(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    records = [
        record(0, 0, tx(1, 0)),
        record(1, 120, tx(2, 120)),
        record(2, 125, tx(3, 59, fee=9)),
        record(3, 126, tx(4, 58)),
    ]
    found = recompute(connection, tmp_path, records)
    assert brief(found)[:3] == [
        ("00", 1, 1, 0, 120), ("00", 2, 2, 1, 125), ("00", 3, 3, 2, 126),
    ]  # fmt: skip
    assert [row["total_fee_1min"] for row in found[:3]] == [1, 10, 11]


def test_a_minute_that_is_not_closed_yet_has_no_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert recompute(connection, tmp_path, [record(0, 0, tx(1, 0))], is_complete=False) == []


def test_a_total_beyond_64_bits_is_withheld(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    count = 2**63 // MAX_MONEY_SAT + 1
    records = [record(n, 1, tx(n, 0, fee=MAX_MONEY_SAT)) for n in range(count)]
    found = recompute(connection, tmp_path, [*records, record(count, 61, tx(count, 60))])
    assert [(row["tx_minute"][14:16], row["withheld"]) for row in found] == [("01", 1)]


def test_without_records_there_are_no_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert recompute(connection, tmp_path, []) == []
