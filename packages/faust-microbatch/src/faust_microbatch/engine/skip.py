"""Records that are gone from their topic before they were read."""

from typing import Literal

import msgspec


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """The records between the offset that was next and the one that is read instead.

    Attributes:
        topic: Source topic.
        partition: Source partition.
        next_offset: The offset that was to be read next; everything below it was handled.
        first_offset: The first one there is, where reading goes on.
        records: How many are gone, at most; a commit marker counts as one.
        reason: ``expired``: the topic has deleted them. ``beyond_end``: the topic ends before
            ``next_offset``, because it was made anew or has lost its end. ``truncated``: the
            same, and it has grown again since; how many are gone is not known, and counts as one.
    """

    topic: str
    partition: int
    next_offset: int
    first_offset: int
    records: int
    reason: Literal["expired", "beyond_end", "truncated"]


def skip(topic: str, partition: int, next_offset: int, *, low: int, high: int) -> Skip:
    """Return the records skipped by reading on at ``low``.

    Args:
        topic: Source topic.
        partition: Source partition.
        next_offset: The offset that can't be read.
        low: The first offset there is.
        high: The high watermark.
    """
    reason: Literal["expired", "beyond_end", "truncated"] = "truncated"
    records = 1
    if next_offset < low:
        reason, records = "expired", low - next_offset
    elif next_offset > high:
        reason, records = "beyond_end", next_offset - high
    return Skip(
        topic=topic,
        partition=partition,
        next_offset=next_offset,
        first_offset=low,
        records=records,
        reason=reason,
    )
