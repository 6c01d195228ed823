"""Records that were gone from their topic before a group read them."""

from dataclasses import dataclass
from typing import Literal

Reason = Literal["expired", "beyond_end", "truncated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRecords:
    """The records between the offset that was next and the one that is read instead.

    Attributes:
        topic: Name of the topic.
        partition: Partition of it.
        committed_offset: The offset that was to be read next.
        first_offset: The first one there is, from which reading goes on.
        records: Number of records that are gone, at most: a commit marker counts as one.
        reason: ``expired``: the topic has deleted them. ``beyond_end``: the topic ends before
            ``committed_offset``: it was made anew or has lost its end. ``truncated``: the same,
            and it has grown again since.
    """

    topic: str
    partition: int
    committed_offset: int
    first_offset: int
    records: int
    reason: Reason


def skipped_records(
    topic: str, partition: int, next_offset: int, *, low: int, high: int
) -> SkippedRecords:
    """Return the records that are skipped by reading on at ``low``.

    Args:
        topic: Name of the topic.
        partition: Partition of it.
        next_offset: The offset that can't be read.
        low: The first offset there is.
        high: The high watermark.
    """
    reason: Reason
    if next_offset < low:
        reason, records = "expired", low - next_offset
    elif next_offset > high:
        reason, records = "beyond_end", next_offset - high
    else:
        reason, records = "truncated", max(1, high - next_offset)
    return SkippedRecords(
        topic=topic,
        partition=partition,
        committed_offset=next_offset,
        first_offset=low,
        records=records,
        reason=reason,
    )
