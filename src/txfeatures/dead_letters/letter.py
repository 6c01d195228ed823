"""A dead letter as it stands in its topic, and the record it becomes when it is replayed [pure].

A replay writes two records in one Kafka transaction: the dead letter's bytes to the topic they
came from, and a mark to the partition where the dead letter stands. So either both are there
or none, and whoever reads the partition to its end knows what was replayed. Retention removes
the oldest records first, so no mark goes before its dead letter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import Feature
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import AGGREGATED, DEDUPED, RAW, dead_letter_topic

SOURCES = {dead_letter_topic(topic): topic for topic in (RAW, DEDUPED, AGGREGATED)}
"""Dead letter topic -> the topic to which its records go back."""

MARK_HEADER = "txf-replayed"
"""Of a mark: the offset of the dead letter that was replayed."""

REPLAYED_FROM_HEADER = "txf-replayed-from"
"""Of a record sent back: the place of its dead letter."""

_OFFSET = re.compile(rb"[0-9]{1,19}")
_PLACE = tuple(f"__streams.errors.{name}" for name in ("topic", "partition", "offset"))
_ADDED = {
    *(name for name, _ in wire.error_headers(InvalidMessageError("", ""))),
    *_PLACE,
    REPLAYED_FROM_HEADER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A dead letter.

    Attributes:
        record: The record of the dead letter topic.
        is_replayed: True if a mark says so.
    """

    record: Record
    is_replayed: bool

    @property
    def reason(self) -> str:
        """Its reason."""
        return _text(self.record, wire.REASON_HEADER)

    @property
    def message(self) -> str:
        """The sentence about its reason."""
        return _text(self.record, "__streams.errors.message")

    @property
    def origin(self) -> str:
        """The place where it had stood, or the poller that received it."""
        place = [_text(self.record, name) for name in _PLACE]
        return "/".join(place) if all(place) else _text(self.record, "txf-poller") or "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The dead letters wanted: those that match everything that is given.

    Attributes:
        reasons: Reasons; empty for all.
        since_ms: First feed time.
        until_ms: Feed time after the last.
        partition: Partition of the dead letter topic.
        offset: Offset in the dead letter topic.
    """

    reasons: frozenset[str] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    partition: int | None = None
    offset: int | None = None

    def takes(self, letter: Letter) -> bool:
        """Return whether ``letter`` is wanted."""
        record = letter.record
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since_ms is None or record.timestamp_ms >= self.since_ms)
            and (self.until_ms is None or record.timestamp_ms < self.until_ms)
            and self.partition in (None, record.partition)
            and self.offset in (None, record.offset)
        )


def mark(letter: Record, *, now_ms: int) -> OutgoingRecord:
    """Return the record that marks ``letter`` as replayed, for the partition where it stands."""
    return OutgoingRecord(
        topic=letter.topic,
        partition=letter.partition,
        key=None,
        value=b"",
        timestamp_ms=now_ms,
        headers=((MARK_HEADER, str(letter.offset).encode()),),
    )


def marked_offset(record: Record) -> int | None:
    """Return the offset of the dead letter that ``record`` marks; None if it is no mark."""
    if wire.header(record.headers, wire.REASON_HEADER) is not None:
        return None  # a dead letter, whatever headers its sender gave it
    offset = wire.header(record.headers, MARK_HEADER)
    return int(offset) if offset and _OFFSET.fullmatch(offset) else None


def revive(
    letter: Record, *, feed_time_ms: int | None, features: Sequence[Feature]
) -> OutgoingRecord:
    """Return the record that ``letter`` was, for the topic that it came from.

    A transaction goes to ``raw`` with its hash as key, as the poller sends it, so that dedup
    drops it if it has come by another way. Records of ``deduped`` and ``aggregated`` go back to
    their partition. The timestamp stays: it was the feed clock then, so no clock moves.

    Args:
        letter: A record of a dead letter topic.
        feed_time_ms: The feed clock, which no timestamp may exceed; None if there is no feed.
        features: The declared features.

    Raises:
        InvalidMessageError: This release can't read it either.
    """
    topic = SOURCES[letter.topic]
    key: bytes | None = letter.key
    partition: int | None = letter.partition
    if topic == RAW:
        key, partition = wire.decode_transaction(letter.value).hash.encode(), None
    elif topic == DEDUPED:
        wire.decode_transaction(letter.value)
    else:
        wire.decode_row(letter.value, features)
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    return OutgoingRecord(
        topic=topic,
        partition=partition,
        key=key,
        value=letter.value,
        timestamp_ms=letter.timestamp_ms
        if feed_time_ms is None
        else min(letter.timestamp_ms, feed_time_ms),
        headers=(
            *(header for header in letter.headers if header[0] not in _ADDED),
            (REPLAYED_FROM_HEADER, place.encode()),
        ),
    )


def _text(record: Record, name: str) -> str:
    return (wire.header(record.headers, name) or b"").decode(errors="replace")
