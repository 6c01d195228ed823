"""Training sets: each minute's features as they were known at a moment, without holes."""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER
from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.rules import Rules
from txfeatures.history import offline
from txfeatures.history.minutes import Minutes, Span, rows_sql
from txfeatures.history.offline import OFFLINE, OfflineStore
from txfeatures.history.sources import Source, open_records

IS_GAP = "is_gap"
"""Column: no value of the minute was known; its features are null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromOffline:
    """Rows as they were put into the offline store."""

    store: OfflineStore
    directory: Path

    def load(
        self, connection: duckdb.DuckDBPyConnection, span: Span, known_at_s: float | None
    ) -> None:
        """Make the relation ``offline``.

        Raises:
            FatalError: An object can't be read.
        """
        damages = offline.load(connection, self.store, span, self.directory, known_at_s=known_at_s)
        if damages:
            raise FatalError(
                f"{damages[0].key} of the offline store {damages[0].reason}; "
                "restore it, or make the training set of the archive"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTransactions:
    """Rows recomputed from transactions: the archive's or a recording's."""

    source: Source
    rules: Rules

    def load(
        self,
        connection: duckdb.DuckDBPyConnection,
        span: Span,
        known_at_s: float | None,  # noqa: ARG002 - what is known when shows in the rows
    ) -> None:
        """Make the relation ``offline``, of recomputed rows."""
        open_records(connection, self.source, span, self.rules)
        minutes = Minutes(
            connection, rules=self.rules, span=span, is_complete=self.source.is_complete
        )
        minutes.make_revisions()
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE {OFFLINE} AS
            SELECT *, CAST(round({EVENT_TIME} * 1000) AS BIGINT) AS known_ms,
                NULL::TIMESTAMP AS api_invocation_time, NULL::TIMESTAMP AS write_time,
                false AS is_deleted
            FROM ({rows_sql("revisions")})"""
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
        origin: Where rows come from.
        span: The minutes; cut where ``known_at_s`` lies, for later ones can't be known.
        known_at_s: Epoch seconds; None for all that is known by now.
    """
    if known_at_s is not None:
        span = Span(
            start_s=span.start_s, end_s=min(span.end_s, int(known_at_s) // MINUTE_S * MINUTE_S)
        )
    origin.load(connection, span, known_at_s)
    columns = ", ".join(
        f"known_ms / 1000 AS {EVENT_TIME}" if f.name == EVENT_TIME else f"latest.{f.name}"
        for f in FEATURES
        if f.name != RECORD_IDENTIFIER
    )
    found: pa.Table = connection.sql(
        f"""WITH minutes AS (
            SELECT strftime(make_timestamp(minute_s * 1000000), '%Y-%m-%d %H:%M:%S')
                AS {RECORD_IDENTIFIER}
            FROM range({span.start_s}, {span.end_s}, {MINUTE_S}) minutes(minute_s)
        ), latest AS ({offline.latest_sql(known_at_s=known_at_s)})
        SELECT {RECORD_IDENTIFIER}, {columns}, latest.known_ms IS NULL AS {IS_GAP}
        FROM minutes LEFT JOIN latest USING ({RECORD_IDENTIFIER}) ORDER BY {RECORD_IDENTIFIER}"""
    ).to_arrow_table()
    return found
