"""Destinations of backfilled rows: the offline store, or a Parquet file."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import (
    EVENT_TIME,
    RECORD_IDENTIFIER,
    Feature,
    minute_start_s,
)
from txfeatures.feature_store.codec import WRITE_BATCH, TableFormat, to_values
from txfeatures.feature_store.offline import OfflineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.feature_store.writer import FeatureGroupWriter, OfflineWrite
from txfeatures.history.minutes import HistoricRow, Minutes, rows_of

ORDER = f"{RECORD_IDENTIFIER}, revision"

_ARROW = {"Integral": pa.int64(), "Fractional": pa.float64(), "String": pa.string()}


@dataclass(slots=True, kw_only=True)
class OfflineSink:
    """The offline store: rows that it lacks, and new revisions of rows that differ.

    A row that is there already is left alone, and so is a deleted minute. A row that differs,
    or that lacks a feature declared later, gets another revision with the next event time: the
    history before it stays as it was known.

    Args:
        writer: Writes to the feature group.
        table_format: The table format of its offline store.
        store: The offline store, as it is read.
        directory: For files on their way.
        retries: How calls are repeated; its clock paces them, its flag ends the run.
        rows_per_s: Most rows that are put in a second.
    """

    writer: FeatureGroupWriter
    table_format: TableFormat
    store: OfflineStore
    directory: Path
    retries: Retries
    rows_per_s: float

    def begin(self) -> None:
        """Do nothing: an abandoned run leaves nothing behind."""

    def wanted(
        self, connection: duckdb.DuckDBPyConnection, minutes: Minutes
    ) -> Iterator[HistoricRow]:
        """Yield the rows that the store lacks, minute by minute."""
        span = minutes.span
        stored = self.store.read(connection, self.directory, start_s=span.start_s, end_s=span.end_s)
        for damage in stored.damages:
            raise FatalError(
                f"{damage.key} of the offline store {damage.reason}; "
                "restore it, then run this again"
            )
        return rows_of(_difference(minutes, stored.newest()))

    def write(self, rows: Sequence[HistoricRow]) -> None:
        """Put rows, some at a time, at the pace that was set.

        Raises:
            FatalError: The store refuses a row for good.
            TransientError: It does not take them for now, or the run was stopped.
        """
        clock, stop = self.retries.clock, self.retries.stop
        for start in range(0, len(rows), WRITE_BATCH):
            batch = rows[start : start + WRITE_BATCH]
            writes = [OfflineWrite(values=to_values(row, self.table_format)) for row in batch]
            self.writer.put_all(writes, self.retries)
            if clock.wait(stop, len(batch) / self.rows_per_s):
                raise TransientError("stopped; run it again to go on from here")

    def finish(self) -> None:
        """Do nothing: rows are in the store once they are acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetSink:
    """A Parquet file with every revision; it appears when it is whole.

    Attributes:
        path: The file.
        features: Its columns: those of the offline store, without the store's own.
    """

    path: Path
    features: Sequence[Feature]

    @property
    def schema(self) -> pa.Schema:
        """Types of its columns."""
        return pa.schema([(feature.name, _ARROW[feature.type]) for feature in self.features])

    @property
    def parts(self) -> Path:
        """The folder of the rows of an unfinished run."""
        return self.path.with_name(f"{self.path.name}.parts")

    def begin(self) -> None:
        """Make an empty folder for the parts.

        Raises:
            FatalError: It can't be made.
        """
        try:
            shutil.rmtree(self.parts, ignore_errors=True)
            self.parts.mkdir()
        except OSError as error:
            raise FatalError(
                f"{self.parts} can't be made ({error.strerror}); name a file in an existing folder"
            ) from error

    def wanted(
        self,
        connection: duckdb.DuckDBPyConnection,  # noqa: ARG002 - nothing else is read
        minutes: Minutes,
    ) -> Iterator[HistoricRow]:
        """Yield every revision."""
        return rows_of(minutes.revisions.order(ORDER))

    def write(self, rows: Sequence[HistoricRow]) -> None:
        """Write a part, named by its first minute, so that a repeat replaces it."""
        if not rows:
            return
        part = self.parts / f"{minute_start_s(str(rows[0][RECORD_IDENTIFIER])):012d}.parquet"
        unfinished = part.with_suffix(".unfinished")
        pq.write_table(pa.Table.from_pylist(list(rows), schema=self.schema), unfinished)
        os.replace(unfinished, part)  # noqa: PTH105 - the same call, more plainly

    def finish(self) -> None:
        """Make one file of the parts, in order, and remove them."""
        unfinished = self.parts / "whole.unfinished"
        with pq.ParquetWriter(unfinished, self.schema, compression="zstd") as writer:
            for part in sorted(self.parts.glob("*.parquet")):
                writer.write_table(pq.read_table(part))
        os.replace(unfinished, self.path)  # noqa: PTH105
        shutil.rmtree(self.parts)


def _difference(minutes: Minutes, newest: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return the revisions that the offline store lacks, whose newest rows are given.

    A row that became known after the end of the archive is newer than the recomputed one.
    """
    names = [feature.name for feature in minutes.declaration.computed]
    differs = " OR ".join(f"r.{name} IS DISTINCT FROM top.{name}" for name in names)
    is_settled = f"top.known_ms <= {'NULL' if minutes.settled_ms is None else minutes.settled_ms}"
    features = ", ".join(
        {
            "revision": "top.revision + 1 AS revision",
            "nb_gaps_1min": "top.nb_gaps_1min",
            EVENT_TIME: f"greatest(r.{EVENT_TIME}, (top.known_ms + 1) / 1000) AS {EVENT_TIME}",
        }.get(f.name, f"r.{f.name}")
        for f in minutes.declaration.features
    )
    absent = minutes.revisions.join(newest, RECORD_IDENTIFIER, how="anti")
    corrected = (
        minutes.last.set_alias("r")
        .join(newest.set_alias("top"), f"r.{RECORD_IDENTIFIER} = top.{RECORD_IDENTIFIER}")
        .filter(f"NOT coalesce(top.is_deleted, false) AND ({differs}) AND {is_settled}")
        .project(features)
    )
    return absent.union(corrected).order(ORDER)
