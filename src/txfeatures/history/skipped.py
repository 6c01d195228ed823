"""Minutes whose transactions fs_writer had to skip, since they were gone from ``deduped``."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import duckdb

from txfeatures.archive.skips import Skip
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import MINUTE_S
from txfeatures.history.comparison import Finding

Number = Callable[[str, int], int | None]
"""Topic and partition -> the partition's number in the rows; None if they have no such topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A skip and its minutes, as far as the rows around it show them.

    Attributes:
        skip: The skip.
        start_s: The first minute that may lack transactions.
        end_s: The minute after the last one.
    """

    skip: Skip
    start_s: int
    end_s: int

    def has(self, minute_s: int) -> bool:
        """Return whether the minute may lack transactions."""
        return self.start_s <= minute_s < self.end_s

    def finding(self) -> Finding:
        """Return the loss itself as a finding."""
        last = minute_name(self.end_s - MINUTE_S)
        return Finding(
            minute="",
            where="kafka",
            kind="gone",
            detail=f"{_lost(self.skip)}: minutes {minute_name(self.start_s)} to {last} lack theirs",
        )


def holes(
    connection: duckdb.DuckDBPyConnection, skips: Iterable[Skip], number: Number
) -> list[Hole]:
    """Return the skips that lie between rows of the relation ``records``, with their minutes."""
    found = []
    for skip in skips:
        partition = number(skip.topic, skip.partition)
        ((before_ms, after_ms),) = connection.execute(
            """SELECT max(feed_time_ms) FILTER (topic_offset < $committed),
                min(feed_time_ms) FILTER (topic_offset >= $first)
            FROM records WHERE topic_partition = $partition""",
            {
                "committed": skip.committed_offset,
                "first": skip.first_offset,
                "partition": partition,
            },
        ).fetchall()
        if before_ms is not None and after_ms is not None and before_ms <= after_ms:
            # A transaction may be of the minute before the one in which it came.
            start_s = before_ms // 1000 // MINUTE_S * MINUTE_S - MINUTE_S
            end_s = after_ms // 1000 // MINUTE_S * MINUTE_S + MINUTE_S
            found.append(Hole(skip=skip, start_s=start_s, end_s=end_s))
    return found


def explained(findings: Iterable[Finding], holes: Sequence[Hole]) -> list[Finding]:
    """Return findings in which the cause of what the archive lacks is named."""
    return [_explained(finding, holes) for finding in findings]


def _explained(finding: Finding, holes: Sequence[Hole]) -> Finding:
    if finding.where != "archive" or not finding.minute:
        return finding
    for hole in holes:
        if hole.has(minute_start_s(finding.minute)):
            detail = f"{finding.detail}: {_lost(hole.skip)}"
            return replace(finding, where="kafka", kind="gone", detail=detail)
    return finding


def _lost(skip: Skip) -> str:
    return (
        f"{skip.records:,} records of deduped partition {skip.partition} were gone before "
        f"fs_writer read them ({skip.reason}, from offset {skip.committed_offset})"
    )
