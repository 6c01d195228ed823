"""Audit: a comparison of both stores with the minutes recomputed from the archive.

It shows that every archived transaction is in the rows, and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import duckdb

from txfeatures.archive.skips import Skip, skips
from txfeatures.domain.features import (
    COUNT,
    EVENT_TIME,
    RECORD_IDENTIFIER,
    Declaration,
    minute_name,
    minute_start_s,
)
from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.rules import Rules
from txfeatures.feature_store.codec import to_partial_row
from txfeatures.feature_store.offline import Damage, OfflineStore
from txfeatures.feature_store.online import OnlineStore
from txfeatures.history.comparison import Comparison, Finding, StoredRow, Where
from txfeatures.history.inspection import Inspection
from txfeatures.history.ledger import Stage
from txfeatures.history.minutes import Minutes, rows_of
from txfeatures.history.skipped import Hole, explained, holes
from txfeatures.history.sources import HOUR_S, ArchiveSource, read_minutes
from txfeatures.history.span import Span
from txfeatures.process.progress import Progress, unseen

CHUNK_S = 24 * 3600

OFFLINE_DELAY_S = 20 * 60
"""A row may take that long to the offline store: AWS documents 15 minutes."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The findings of an audit, and what they are based on.

    Attributes:
        start: First minute.
        end: The minute after the last one.
        minutes: Minutes compared, with a row or a transaction.
        pending: Minutes that can't be judged yet, since the archive ends before.
        objects: Objects of the archive that were inspected.
        transactions: Transactions counted in the minutes compared, as recomputed.
        findings: Everything wrong; empty if the promise is kept.
        lacking: Feature -> rows that were written before it was declared.
        stages: The ledger of Kafka's topics, if it was requested.
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
        """True if nothing is wrong."""
        return not self.findings and all(stage.is_balanced for stage in self.stages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The archive and the two stores, which are compared."""

    archive: ArchiveSource
    inspection: Inspection
    offline: OfflineStore
    online: OnlineStore


def audit(
    connection: duckdb.DuckDBPyConnection,
    sources: Sources,
    span: Span,
    *,
    rules: Rules,
    declaration: Declaration,
    directory: Path,
    report: Report,
    progress: Progress = unseen,
) -> None:
    """Compare the minutes of ``span``, day by day, and add to ``report``.

    Args:
        connection: A database of `engine`.
        sources: The archive and the two stores.
        span: The minutes.
        rules: The rules of time.
        declaration: The declared features.
        directory: For files on their way.
        report: Receives the findings.
        progress: Called with ``(minutes done, minutes in all)``.

    Raises:
        TransientError: A store does not answer.
        FatalError: A store refuses, or a file can't be read.
    """
    comparison = Comparison(computed=[feature.name for feature in declaration.computed])
    whole = sources.archive.span()
    skipped = skips(sources.archive.bucket)
    lost: dict[Skip, Hole] = {}
    for chunk in span.chunks(CHUNK_S):
        minutes = read_minutes(
            connection, sources.archive, chunk, rules=rules, declaration=declaration
        )
        stored = sources.offline.read(
            connection, directory, start_s=chunk.start_s, end_s=chunk.end_s
        )
        report.findings += [_damage("offline", damage) for damage in stored.damages]
        rows: dict[Where, dict[int, StoredRow]] = {
            "archive": _by_minute(rows_of(minutes.last)),
            "offline": _by_minute(rows_of(stored.latest())),
            "online": {
                minute_start_s(name): to_partial_row(values, declaration.features)
                for name, values in sources.online.read(range(chunk.start_s, chunk.end_s, MINUTE_S))
            },
        }
        reach = _reach(minutes, whole, is_complete=sources.archive.is_complete)
        found = holes(connection, skipped, sources.archive.number)  # of the rows just read
        _compare_all(rows, comparison, reach, report, holes=found)
        for hole in found:
            if hole.start_s < chunk.end_s and hole.end_s > chunk.start_s:
                lost.setdefault(hole.skip, hole)
        progress((chunk.end_s - span.start_s) // MINUTE_S, (span.end_s - span.start_s) // MINUTE_S)
    report.findings += [hole.finding() for hole in lost.values()]
    report.objects = sources.inspection.objects
    report.findings += [_damage("archive", damage) for damage in sources.inspection.damages]


def _compare_all(
    rows: Mapping[Where, Mapping[int, StoredRow]],
    comparison: Comparison,
    reach: "_Reach",
    report: Report,
    *,
    holes: Sequence[Hole] = (),
) -> None:
    for minute_s in sorted({*rows["archive"], *rows["offline"], *rows["online"]}):
        archive, offline, online = (
            rows[where].get(minute_s) for where in ("archive", "offline", "online")
        )
        if reach.is_pending(archive, offline, online):
            report.pending += 1
            continue
        report.minutes += 1
        report.transactions += int(archive[COUNT]) if archive else 0
        findings = comparison.compare(minute_name(minute_s), archive, offline, online)
        report.findings += explained(findings, holes)
        for row in (offline, online):
            for feature in comparison.lacking(row):
                report.lacking[feature] = report.lacking.get(feature, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reach:
    """The limits up to which the archive can judge, epoch seconds of feed time.

    Attributes:
        settled_s: The archive is complete up to here.
        offline_s: Rows put up to here must be in the offline store by now.
    """

    settled_s: float
    offline_s: float

    def is_pending(
        self, archive: StoredRow | None, offline_row: StoredRow | None, online: StoredRow | None
    ) -> bool:
        """Return whether some row is newer than the others can be yet."""
        known_s = [_known_s(row) for row in (archive, offline_row, online)]
        if max(known_s) > self.settled_s:
            return True
        if self.settled_s < inf and archive is None and online and online.get("is_final") != 1:
            return True  # it may still be open in the archive
        return known_s[1] < max(known_s) and max(known_s) > self.offline_s


def _reach(minutes: Minutes, whole: Span | None, *, is_complete: bool) -> _Reach:
    read_until_s = minutes.span.end_s + HOUR_S
    if is_complete or (whole and read_until_s < whole.end_s - 2 * HOUR_S):
        return _Reach(settled_s=inf, offline_s=inf)
    if minutes.newest_ms is None or minutes.settled_ms is None:
        return _Reach(settled_s=-inf, offline_s=-inf)
    return _Reach(
        settled_s=minutes.settled_ms / 1000, offline_s=minutes.newest_ms / 1000 - OFFLINE_DELAY_S
    )


def _known_s(row: StoredRow | None) -> float:
    try:
        return float(row[EVENT_TIME]) if row else 0.0
    except (KeyError, ValueError):
        return 0.0


def _by_minute(rows: Iterable[StoredRow]) -> dict[int, StoredRow]:
    return {minute_start_s(str(row[RECORD_IDENTIFIER])): row for row in rows}


def _damage(where: Where, damage: Damage) -> Finding:
    return Finding(minute="", where=where, kind="damage", detail=f"{damage.key} {damage.reason}")
