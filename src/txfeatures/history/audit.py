"""Audit: that every archived transaction is in the rows, and nothing else.

Recomputes the minutes from the archive and holds both stores against them.
"""

# ruff: noqa: S608 - nothing of the SQL comes from outside of the program

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import duckdb

from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, minute_start_s
from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.rules import Rules
from txfeatures.feature_store.codec import to_partial_row
from txfeatures.feature_store.online import OnlineStore
from txfeatures.history import offline
from txfeatures.history.backfill import chunks, read_rows
from txfeatures.history.comparison import Finding, StoredRow, compare, lacking
from txfeatures.history.inspection import Inspection
from txfeatures.history.ledger import Stage
from txfeatures.history.minutes import Minutes, Span, rows_sql
from txfeatures.history.offline import OfflineStore, latest_sql
from txfeatures.history.sources import HOUR_S, ArchiveSource, open_records

CHUNK_S = 24 * 3600

OFFLINE_DELAY_S = 20 * 60
"""A row may take that long to the offline store: AWS says 15 minutes."""

Progress = Callable[[int, int], None]


@dataclass(slots=True, kw_only=True)
class Report:
    """What an audit has found.

    Attributes:
        start: First minute.
        end: The minute after the last one.
        minutes: Minutes with a row or a transaction that were compared.
        pending: Minutes that can't be judged yet: the archive does not reach so far.
        objects: Objects of the archive that were looked at.
        transactions: Transactions counted in the minutes compared, as recomputed.
        findings: What is wrong; empty is the promise kept.
        lacking: Feature -> rows that were written before it was declared.
        stages: The ledger of Kafka's topics, if it was asked for.
    """

    start: str
    end: str
    minutes: int = 0
    pending: int = 0
    objects: int = 0
    transactions: int = 0
    findings: list[Finding] = field(default_factory=list)
    lacking: dict[str, int] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings and not any(stage.missing for stage in self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    """The three that are compared."""

    archive: ArchiveSource
    inspection: Inspection
    offline: OfflineStore
    online: OnlineStore


def audit(
    connection: duckdb.DuckDBPyConnection,
    witnesses: Witnesses,
    span: Span,
    *,
    rules: Rules,
    directory: Path,
    report: Report,
    progress: Progress = lambda _done, _all: None,
) -> None:
    """Compare the minutes of ``span``, day by day, and add to ``report``.

    Args:
        connection: A database of `engine`.
        witnesses: What is compared.
        span: The minutes.
        rules: The rules of time.
        directory: For files on their way.
        report: Where findings go.
        progress: Told ``(minutes done, minutes in all)``.

    Raises:
        TransientError: A store does not answer.
        FatalError: It can't be done.
    """
    whole = witnesses.archive.span()
    for chunk in chunks(span, CHUNK_S):
        open_records(connection, witnesses.archive, chunk, rules)
        minutes = Minutes(
            connection, rules=rules, span=chunk, is_complete=witnesses.archive.is_complete
        )
        minutes.make_revisions()
        damages = offline.load(connection, witnesses.offline, chunk, directory)
        report.findings += [
            Finding(minute="", where="offline", kind="damage", detail=f"{d.key} {d.reason}")
            for d in damages
        ]
        reach = _reach(connection, chunk, whole, is_complete=witnesses.archive.is_complete)
        _compare_all(connection, witnesses.online, chunk, reach, report)
        progress((chunk.end_s - span.start_s) // MINUTE_S, (span.end_s - span.start_s) // MINUTE_S)
    report.objects = witnesses.inspection.objects
    report.findings += [
        Finding(minute="", where="archive", kind="damage", detail=f"{d.key} {d.reason}")
        for d in witnesses.inspection.damages
    ]


def _compare_all(
    connection: duckdb.DuckDBPyConnection,
    store: OnlineStore,
    span: Span,
    reach: "_Reach",
    report: Report,
) -> None:
    archived = _by_minute(
        connection,
        f"""SELECT * FROM ({rows_sql("revisions")})
        QUALIFY row_number() OVER (PARTITION BY {RECORD_IDENTIFIER} ORDER BY revision DESC) = 1""",
    )
    latest = f"SELECT * REPLACE (known_ms / 1000 AS {EVENT_TIME}) FROM ({latest_sql()})"
    offline_rows = _by_minute(connection, latest)
    online_rows = {
        minute_start_s(name): to_partial_row(values)
        for name, values in store.read(range(span.start_s, span.end_s, MINUTE_S))
    }
    for minute_s in sorted({*archived, *offline_rows, *online_rows}):
        witnesses = [rows.get(minute_s) for rows in (archived, offline_rows, online_rows)]
        if reach.is_pending(*witnesses):
            report.pending += 1
            continue
        archive_row, offline_row, online_row = witnesses
        name = str(next(row for row in witnesses if row)[RECORD_IDENTIFIER])
        report.minutes += 1
        report.transactions += int(archive_row["total_nb_trx_1min"]) if archive_row else 0
        report.findings += compare(name, archive_row, offline_row, online_row)
        for row in (offline_row, online_row):
            for feature in lacking(row):
                report.lacking[feature] = report.lacking.get(feature, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """How far the archive can judge, epoch seconds of feed time.

    Attributes:
        settled_s: It has everything up to here.
        offline_s: What was put up to here must be in the offline store by now.
    """

    settled_s: float
    offline_s: float

    def is_pending(
        self, archive: StoredRow | None, offline_row: StoredRow | None, online: StoredRow | None
    ) -> bool:
        """Whether some row tells what the others can't know yet."""
        known_s = [_known_s(row) for row in (archive, offline_row, online)]
        if max(known_s) > self.settled_s:
            return True
        if archive is None and online is not None and online.get("is_final") != 1:
            return True
        return known_s[1] < max(known_s) and max(known_s) > self.offline_s


def _reach(
    connection: duckdb.DuckDBPyConnection, span: Span, whole: Span | None, *, is_complete: bool
) -> _Reach:
    read_until_s = span.end_s + HOUR_S
    if is_complete or (whole and read_until_s < whole.end_s - 2 * HOUR_S):
        return _Reach(settled_s=inf, offline_s=inf)
    newest_ms, settled_ms = connection.execute("FROM horizon").fetchall()[0]
    if newest_ms is None:
        return _Reach(settled_s=-inf, offline_s=-inf)
    return _Reach(settled_s=settled_ms / 1000, offline_s=newest_ms / 1000 - OFFLINE_DELAY_S)


def _known_s(row: StoredRow | None) -> float:
    try:
        return float(row[EVENT_TIME]) if row else 0.0
    except (KeyError, ValueError):
        return 0.0


def _by_minute(connection: duckdb.DuckDBPyConnection, sql: str) -> dict[int, StoredRow]:
    rows = read_rows(connection, sql)
    return {minute_start_s(str(row[RECORD_IDENTIFIER])): row for row in rows}
