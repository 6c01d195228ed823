"""Features folded from the bytes of the stream compared with SQL over the archive's columns."""

import gzip
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import BufferReader

from tests.properties.feeds import FEES_SAT, HOSTILE, RESTS
from tests.support import declared, oracle
from tests.support.shared_data import BLOCK, HUGE, RECORDING, shared_data
from txfeatures.archive import schema
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import READABLE_SQL, minute_start_s
from txfeatures.domain.model import MAX_MONEY_SAT, Record, Row, Transaction

FROM_TRANSACTIONS = declared.COMPUTED

Rows = dict[int, dict[str, object]]
"""Minute -> the features computed from its transactions."""

TIMES_S = st.one_of(st.integers(0, 300), st.sampled_from([2**63 - 1, 253_402_300_800]))
HASHES = st.sampled_from(["ab" * 32, "AB" * 32, "ab" * 31, "ab" * 31 + "g0", "é" * 32, ""])
valid = st.fixed_dictionaries({"hash": st.just("ab" * 32), "time": TIMES_S, "fee": FEES_SAT})
hostile = st.fixed_dictionaries(
    {},
    optional={
        "hash": st.one_of(HASHES, HOSTILE),
        "time": st.one_of(TIMES_S, HOSTILE),
        "fee": st.one_of(FEES_SAT, st.just(MAX_MONEY_SAT + 1), HOSTILE),
    },
)
NOT_UTF_8 = b'{"hash":"%s","time":1,"fee":2,"weight":{"a":"\xff"}}' % (b"ab" * 32)
transactions = st.builds(lambda rest, head: rest | head, RESTS, st.one_of(valid, hostile))
values = st.one_of(
    transactions.map(lambda tx: json.dumps(tx).encode()),
    st.sampled_from([b"", b"null", b"[]", b"<html>", NOT_UTF_8]),
)


Select = Callable[[Sequence[bytes]], Rows]
"""Values -> the rows that SQL computes. A function, because Hypothesis keeps the types of a
test's arguments until the interpreter ends, and DuckDB then reports its connection as a leak."""


@pytest.fixture(scope="module")
def selected() -> Iterator[Select]:
    with duckdb.connect(config={"threads": 1}) as engine:
        yield lambda values: select(values, engine)


def folded(values: Sequence[bytes]) -> Rows:
    """Return the rows that the stream computes: two partials per minute, merged."""
    minutes: dict[int, list[Transaction]] = defaultdict(list)
    for value in values:
        try:
            transaction = wire.decode_transaction(value)
        except InvalidMessageError:
            continue
        minutes[transaction.time // 60 * 60].append(transaction)
    rows: Rows = {}
    for minute_s, found in minutes.items():
        halves = [declared.fold(declared.EMPTY, half) for half in (found[::2], found[1::2])]
        row = declared.row(
            declared.merge(halves),
            minute_s=0,
            event_time_ms=0,
            revision=1,
            is_final=True,
            gaps=0,
        )
        rows[minute_s] = {name: row[name] for name in FROM_TRANSACTIONS}
    return rows


def select(values: Sequence[bytes], engine: duckdb.DuckDBPyConnection) -> Rows:
    records = [
        Record(topic="deduped", partition=0, offset=i, key=b"k", value=value, timestamp_ms=0)
        for i, value in enumerate(values)
    ]
    engine.register("archive", pq.read_table(BufferReader(schema.encode(records))))
    readable = f"(SELECT * FROM archive WHERE {READABLE_SQL})"
    found = engine.execute(declared.minute_sql(readable))
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert all(row.pop("is_exact") for row in rows)
    return {row.pop("minute_s"): row for row in rows}


@settings(max_examples=100, deadline=None, print_blob=True)
@given(values=st.lists(values, max_size=40))
def test_sql_over_the_archive_equals_the_fold_whatever_the_source_sends(
    selected: Select, values: list[bytes]
) -> None:
    assert selected(values) == folded(values)


@settings(max_examples=50, deadline=None, print_blob=True)
@given(
    fees=st.lists(st.integers(0, MAX_MONEY_SAT), min_size=1, max_size=300),
    weights=st.lists(st.integers(1, 4_000_000), min_size=1, max_size=300),
)
def test_sql_finds_the_bucket_of_every_fee_rate(
    selected: Select, fees: list[int], weights: list[int]
) -> None:
    found = [
        {"hash": "ab" * 32, "time": 60 * i, "fee": fee, "weight": weight}
        for i, (fee, weight) in enumerate(zip(fees, weights, strict=False))
    ]
    values = [json.dumps(tx).encode() for tx in found]
    assert selected(values) == folded(values)


@pytest.mark.parametrize("recording", [RECORDING.name, BLOCK, HUGE])
def test_sql_the_fold_and_the_oracle_agree_on_recorded_transactions(
    selected: Select, recording: str
) -> None:
    found: list[dict[str, Any]] = []
    values = []
    path = RECORDING if recording == RECORDING.name else shared_data(recording)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            found.append(json.loads(line)["tx"])
            values.append(json.dumps(found[-1]).encode())
    rows = selected(values)
    assert rows == folded(values)
    for name, members in oracle.by_minute(found).items():
        row: Row = rows[minute_start_s(name)]  # type: ignore[assignment]
        for feature, true in oracle.features(members).items():
            assert oracle.is_close(feature, row[feature], true), (name, feature)


def test_a_minute_with_a_total_beyond_64_bits_is_not_exact() -> None:
    many = f"(SELECT 0 AS time, {MAX_MONEY_SAT} AS fee, 1 AS size, 4 AS weight, true AS rbf, "
    source = f"{many} 0::BIGINT AS output_value FROM range(4393))"
    sql = declared.minute_sql(source, also={"latest_s": "max(time)"})
    with duckdb.connect() as engine:
        found = engine.execute(f"SELECT total_fee_1min, is_exact, latest_s FROM ({sql})")
        [row] = found.fetchall()
    assert row[1:] == (False, 0)
