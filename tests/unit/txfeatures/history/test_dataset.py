from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.support.declared import DEFAULT, FEATURES
from tests.unit.txfeatures.archive.memory_bucket import Held
from tests.unit.txfeatures.feature_store.offline_store import Offline, glue_key, stored
from tests.unit.txfeatures.history.test_minutes import START_S, record, tx
from txfeatures.archive.schema import encode
from txfeatures.domain.errors import FatalError
from txfeatures.domain.rules import Rules
from txfeatures.history.dataset import FromOffline, FromTransactions, dataset
from txfeatures.history.engine import engine
from txfeatures.history.sources import FileSource, slim
from txfeatures.history.span import Span

SPAN = Span(start_s=START_S, end_s=START_S + 240)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with engine(tmp_path) as opened:
        yield opened


def test_there_is_a_row_for_each_minute_and_gaps_are_flagged(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    offline = Offline()
    offline.put(stored(START_S, START_S + 120), stored(START_S + 120, START_S + 240, revision=4))
    origin = FromOffline(store=offline.store, directory=tmp_path)
    table = dataset(connection, origin, SPAN)
    assert table.column_names == [*(f.name for f in FEATURES), "is_gap"]
    assert table["is_gap"].to_pylist() == [False, True, False, True]
    assert table["total_nb_trx_1min"].to_pylist() == [0, None, 0, None]
    assert table["revision"].to_pylist() == [1, None, 4, None]
    assert table["event_time"].to_pylist()[0] == START_S + 120
    assert table["tx_minute"].to_pylist()[-1] == "2024-10-19 00:03:00"


def test_nothing_is_told_that_was_known_later(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    offline = Offline()
    offline.put(stored(START_S, START_S + 120), stored(START_S, START_S + 150, revision=2))
    offline.put(stored(START_S + 60, START_S + 180))
    origin = FromOffline(store=offline.store, directory=tmp_path)
    table = dataset(connection, origin, SPAN, known_at_s=START_S + 149.0)
    assert table["tx_minute"].to_pylist() == ["2024-10-19 00:00:00", "2024-10-19 00:01:00"]
    assert table["revision"].to_pylist() == [1, None]
    assert table["is_gap"].to_pylist() == [False, True]


def test_before_the_first_minute_nothing_was_known(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    origin = FromOffline(store=Offline().store, directory=tmp_path)
    assert len(dataset(connection, origin, SPAN, known_at_s=START_S - 1.0)) == 0


def test_an_object_that_cannot_be_read_ends_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    offline = Offline()
    key = glue_key(START_S, "x.parquet")
    offline.bucket.objects[key] = Held(body=b"spoilt", modified_s=0.0)
    with pytest.raises(FatalError, match=r"x\.parquet"):
        dataset(connection, FromOffline(store=offline.store, directory=tmp_path), SPAN)


def test_of_transactions_it_has_the_revision_known_at_the_time(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "whole").write_bytes(
        encode(
            [
                record(0, 0, tx(1, 0)),
                record(1, 120, tx(2, 120)),
                record(2, 125, tx(3, 59)),
                record(3, 240, tx(4, 240)),
            ]
        )
    )
    slim([tmp_path / "whole"], tmp_path / "slim.parquet")
    source = FileSource(paths=[tmp_path / "slim.parquet"], whole=SPAN)
    origin = FromTransactions(source=source, rules=Rules(), declaration=DEFAULT)

    def counts(known_at_s: float | None) -> list[int | None]:
        table = dataset(connection, origin, SPAN, known_at_s=known_at_s)
        found: list[int | None] = table["total_nb_trx_1min"].to_pylist()
        return found

    assert counts(START_S + 119.0) == [None]
    assert counts(START_S + 124.0) == [1, None]
    assert counts(START_S + 125.0) == [2, None]
    assert counts(None) == [2, None, 1, None]
