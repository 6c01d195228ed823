"""Training sets: each minute's features as they were known at a moment, without holes."""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, Declaration, Feature
from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.rules import Rules
from txfeatures.feature_store.offline import OfflineRows, OfflineStore
from txfeatures.history.sources import Source, read_minutes
from txfeatures.history.span import Span
from txfeatures.process.progress import Progress, unseen

IS_GAP = "is_gap"
"""Column: no value of the minute was known; its features are null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromOffline:
    """Rows as they were put into the offline store."""

    store: OfflineStore
    directory: Path
    progress: Progress = unseen

    @property
    def features(self) -> Sequence[Feature]:
        """Columns of the rows."""
        return self.store.features

    def rows(
        self, connection: duckdb.DuckDBPyConnection, span: Span, known_at_s: float | None
    ) -> OfflineRows:
        """Return the rows of ``span``.

        Raises:
            FatalError: An object can't be read.
        """
        found = self.store.read(
            connection,
            self.directory,
            start_s=span.start_s,
            end_s=span.end_s,
            known_at_s=known_at_s,
            progress=self.progress,
        )
        for damage in found.damages:
            raise FatalError(
                f"{damage.key} of the offline store {damage.reason}; "
                "restore it, or make the training set of the archive"
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTransactions:
    """Rows recomputed from transactions: the archive's or a recording's."""

    source: Source
    rules: Rules
    declaration: Declaration

    @property
    def features(self) -> Sequence[Feature]:
        """Columns of the rows."""
        return self.declaration.features

    def rows(
        self,
        connection: duckdb.DuckDBPyConnection,
        span: Span,
        known_at_s: float | None,  # noqa: ARG002 - the rows have the time when they were known
    ) -> OfflineRows:
        """Return the rows of ``span`` as if they had been put into the offline store."""
        revisions = read_minutes(
            connection, self.source, span, rules=self.rules, declaration=self.declaration
        ).revisions
        return OfflineRows(
            rows=revisions.project(
                f"*, CAST(round({EVENT_TIME} * 1000) AS BIGINT) AS known_ms, "
                "NULL::TIMESTAMP AS api_invocation_time, NULL::TIMESTAMP AS write_time, "
                "false AS is_deleted"
            )
        )


def dataset(
    connection: duckdb.DuckDBPyConnection,
    origin: FromOffline | FromTransactions,
    span: Span,
    *,
    known_at_s: float | None = None,
) -> pa.Table:
    """Return one row per minute, in order.

    A minute's row is its latest revision whose event time is not after ``known_at_s``. A
    minute in which the feed was alive and nothing came has zeros; one of which nothing was
    known has nulls and ``is_gap``. ``to_pandas()`` of the table gives a frame.

    Args:
        connection: A database of `engine`.
        origin: Provides the rows.
        span: The minutes; those after ``known_at_s`` are left out, since they can't be known.
        known_at_s: Epoch seconds; None for everything known by now.
    """
    if known_at_s is not None:
        span = Span(
            start_s=span.start_s, end_s=min(span.end_s, int(known_at_s) // MINUTE_S * MINUTE_S)
        )
    latest = origin.rows(connection, span, known_at_s).latest(known_at_s=known_at_s)
    minutes = connection.sql(
        f"""SELECT strftime(make_timestamp(minute_s * 1000000), '%Y-%m-%d %H:%M:%S')
            AS {RECORD_IDENTIFIER}
        FROM range({span.start_s}, {span.end_s}, {MINUTE_S}) minutes(minute_s)"""
    )
    columns = [f"latest.{f.name}" for f in origin.features if f.name != RECORD_IDENTIFIER]
    found: pa.Table = (
        minutes.join(latest.set_alias("latest"), RECORD_IDENTIFIER, how="left")
        .project(", ".join([RECORD_IDENTIFIER, *columns, f"latest.known_ms IS NULL AS {IS_GAP}"]))
        .order(RECORD_IDENTIFIER)
        .to_arrow_table()
    )
    return found
