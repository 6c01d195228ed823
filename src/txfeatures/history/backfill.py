"""Backfill: rows of past minutes, recomputed and written where they are missing or differ.

The minutes are written in order and the progress is kept in a file, from which a killed run
continues. A row that is written twice nevertheless has the same event time, so that readers of
the offline store fold both into one.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb
import msgspec

from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import RECORD_IDENTIFIER, Declaration, minute_start_s
from txfeatures.domain.rules import Rules
from txfeatures.history.minutes import HistoricRow, Minutes
from txfeatures.history.sources import Source, read_minutes
from txfeatures.history.span import Span
from txfeatures.process.progress import Progress, unseen

CHUNK_S = 7 * 24 * 3600
"""Minutes that are recomputed at a time: each chunk also reads the allowed lateness behind it."""

STEP_ROWS = 500
"""Rows after which the progress is saved."""


class Sink(Protocol):
    """A destination of rows."""

    def begin(self) -> None:
        """Prepare for a new run; discard the remains of an abandoned one."""
        ...

    def wanted(
        self, connection: duckdb.DuckDBPyConnection, minutes: Minutes
    ) -> Iterator[HistoricRow]:
        """Yield the rows to write of the recomputed minutes, minute by minute."""
        ...

    def write(self, rows: Sequence[HistoricRow]) -> None:
        """Return once they are durable; raises TransientError."""
        ...

    def finish(self) -> None:
        """Make the written rows visible, if they are not yet."""
        ...


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a run.

    Attributes:
        job: Its description; another job must not continue from here.
        done_until_s: Minutes before this are written, epoch seconds.
    """

    job: str
    done_until_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointFile:
    """A checkpoint on disk, replaced as a whole."""

    path: Path
    job: str

    def read(self) -> int | None:
        """Return the moment up to which all is written, None at the beginning.

        Raises:
            FatalError: The file is of another job, or spoilt.
        """
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=Checkpoint)
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, OSError) as error:
            raise FatalError(
                f"{self.path} can't be read ({error}); delete it to start from the beginning"
            ) from error
        if found.job != self.job:
            raise FatalError(
                f"{self.path} belongs to another backfill ({found.job}); finish that one, "
                "delete the file, or name another with --state"
            )
        return found.done_until_s

    def write(self, done_until_s: int) -> None:
        """Save that all minutes before ``done_until_s`` are written."""
        unfinished = self.path.with_name(f"{self.path.name}.unfinished")
        unfinished.write_bytes(
            msgspec.json.encode(Checkpoint(job=self.job, done_until_s=done_until_s))
        )
        os.replace(unfinished, self.path)  # noqa: PTH105 - the same call, more plainly

    def remove(self) -> None:
        """Remove the file: the job is done."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a run.

    Attributes:
        minutes: Minutes of the span.
        rows: Rows written, or that would be in a dry run.
        withheld: Minutes left out since a total needs more than 64 bits.
    """

    minutes: int
    rows: int
    withheld: int


def backfill(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    sink: Sink,
    span: Span,
    *,
    rules: Rules,
    declaration: Declaration,
    checkpoint: CheckpointFile | None,
    progress: Progress = unseen,
) -> Outcome:
    """Write the rows of ``span`` that the sink wants.

    Args:
        connection: A database of `engine`.
        source: Provides the transactions.
        sink: Receives the rows.
        span: The minutes.
        rules: The rules of time.
        declaration: The declared features.
        checkpoint: Keeps the progress; None for a dry run, which only counts.
        progress: Called after every step.

    Raises:
        TransientError: A store does not answer; the next run continues from here.
        FatalError: A store refuses, or a file can't be written.
    """
    reached_s = checkpoint.read() if checkpoint else None
    if checkpoint and reached_s is None:
        sink.begin()
    start_s = span.start_s if reached_s is None else reached_s
    written = withheld = 0
    for chunk in Span(start_s=start_s, end_s=span.end_s).chunks(CHUNK_S):
        minutes = read_minutes(connection, source, chunk, rules=rules, declaration=declaration)
        withheld += minutes.withheld
        for rows, done_until_s in _steps(sink.wanted(connection, minutes), chunk.end_s):
            if checkpoint:
                sink.write(rows)
                checkpoint.write(done_until_s)
            written += len(rows)
            progress((done_until_s - span.start_s) // 60, (span.end_s - span.start_s) // 60)
    if checkpoint:
        sink.finish()
        checkpoint.remove()
    return Outcome(minutes=(span.end_s - span.start_s) // 60, rows=written, withheld=withheld)


def _steps(rows: Iterator[HistoricRow], end_s: int) -> Iterator[tuple[list[HistoricRow], int]]:
    """Yield rows of whole minutes, some hundreds at a time, each with the end of its minutes."""
    step: list[HistoricRow] = []
    for row in rows:
        minute = row[RECORD_IDENTIFIER]
        if len(step) >= STEP_ROWS and step[-1][RECORD_IDENTIFIER] != minute:
            yield step, minute_start_s(str(minute))
            step = []
        step.append(row)
    yield step, end_s
