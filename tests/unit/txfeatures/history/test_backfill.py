from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.support.declared import DEFAULT, FEATURES
from tests.unit.txfeatures.history.test_minutes import START_S, record, tx
from txfeatures.archive.schema import encode
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.rules import Rules
from txfeatures.history.backfill import CheckpointFile, backfill
from txfeatures.history.engine import engine
from txfeatures.history.minutes import HistoricRow
from txfeatures.history.sinks import ParquetSink
from txfeatures.history.sources import FileSource, slim
from txfeatures.history.span import Span

MINUTES = 1203
SPAN = Span(start_s=START_S, end_s=START_S + 60 * MINUTES)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with engine(tmp_path) as opened:
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    (tmp_path / "whole").write_bytes(
        encode([record(n, 60 * n + 1, tx(n, 60 * n)) for n in range(MINUTES)])
    )
    slim([tmp_path / "whole"], tmp_path / "slim.parquet")
    return FileSource(paths=[tmp_path / "slim.parquet"], whole=SPAN)


class StoppingSink(ParquetSink):
    """Stops after the first step, as if it had been killed after writing it."""

    def write(self, rows: Sequence[HistoricRow]) -> None:
        super().write(rows)
        raise TransientError("stopped")


def checkpoint(sink: ParquetSink, job: str = "this") -> CheckpointFile:
    return CheckpointFile(path=sink.parts / "progress.json", job=job)


def test_a_file_has_every_revision_with_the_declared_columns(
    connection: duckdb.DuckDBPyConnection, source: FileSource, tmp_path: Path
) -> None:
    sink = ParquetSink(path=tmp_path / "out.parquet", features=FEATURES)
    seen: list[tuple[int, int]] = []
    outcome = backfill(
        connection, source, sink, SPAN, rules=Rules(), checkpoint=checkpoint(sink),
        progress=lambda done, whole: seen.append((done, whole)), declaration=DEFAULT,
)  # fmt: skip
    table = pq.read_table(sink.path)
    assert table.schema.names == [f.name for f in FEATURES]
    assert outcome.rows == len(table) == MINUTES
    assert table["tx_minute"].to_pylist() == sorted(set(table["tx_minute"].to_pylist()))
    assert seen[-1] == (MINUTES, MINUTES)
    assert len(seen) >= 3
    assert not sink.parts.exists()


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_that_ended_in_the_middle_goes_on_with_the_same_rows_once(
    connection: duckdb.DuckDBPyConnection, source: FileSource, tmp_path: Path, times: int
) -> None:
    whole, path = (
        ParquetSink(path=tmp_path / "whole.parquet", features=FEATURES),
        tmp_path / "out.parquet",
    )
    backfill(
        connection,
        source,
        whole,
        SPAN,
        rules=Rules(),
        checkpoint=checkpoint(whole),
        declaration=DEFAULT,
    )
    stopping = StoppingSink(path=path, features=FEATURES)
    for _ in range(times):
        with pytest.raises(TransientError):
            backfill(
                connection,
                source,
                stopping,
                SPAN,
                rules=Rules(),
                checkpoint=checkpoint(stopping),
                declaration=DEFAULT,
            )
    sink = ParquetSink(path=path, features=FEATURES)
    backfill(
        connection,
        source,
        sink,
        SPAN,
        rules=Rules(),
        checkpoint=checkpoint(sink),
        declaration=DEFAULT,
    )
    assert pq.read_table(path).equals(pq.read_table(whole.path))


def test_a_dry_run_counts_and_writes_nothing(
    connection: duckdb.DuckDBPyConnection, source: FileSource, tmp_path: Path
) -> None:
    sink = ParquetSink(path=tmp_path / "out.parquet", features=FEATURES)
    outcome = backfill(
        connection, source, sink, SPAN, rules=Rules(), checkpoint=None, declaration=DEFAULT
    )
    assert outcome.rows == outcome.minutes == MINUTES
    assert not sink.path.exists()
    assert not sink.parts.exists()


def test_a_checkpoint_of_another_job_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    CheckpointFile(path=path, job="one").write(60)
    assert CheckpointFile(path=path, job="one").read() == 60
    with pytest.raises(FatalError, match="belongs to another backfill \\(one\\)"):
        CheckpointFile(path=path, job="two").read()
    path.write_text("spoilt")
    with pytest.raises(FatalError, match="delete it"):
        CheckpointFile(path=path, job="one").read()


def test_a_folder_that_is_not_there_is_said(
    connection: duckdb.DuckDBPyConnection, source: FileSource, tmp_path: Path
) -> None:
    sink = ParquetSink(path=tmp_path / "nowhere" / "out.parquet", features=FEATURES)
    with pytest.raises(FatalError, match="existing folder"):
        backfill(
            connection,
            source,
            sink,
            SPAN,
            rules=Rules(),
            checkpoint=checkpoint(sink),
            declaration=DEFAULT,
        )
