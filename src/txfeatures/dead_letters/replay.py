"""Dead letters sent back to their topics, each at most once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from txfeatures.dead_letters.letter import Filter, Letter, mark, marked_offset, revive
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import Feature
from txfeatures.domain.model import MILLI, OutgoingRecord, Record
from txfeatures.process.clock import Clock

TRANSACTIONAL_ID = "txfeatures-dlq-replay"
"""One for all: a second replay ends the first before it reads the marks."""

MAX_LETTERS = 500
MAX_BYTES = 16 * 1024 * 1024
"""Of one Kafka transaction."""

Read = Callable[[], Iterable[Record]]
Publish = Callable[[Sequence[OutgoingRecord]], None]


@dataclass(slots=True)
class Tally:
    """Counts of a replay.

    Attributes:
        sent: Topic -> records sent back.
        unreadable: Reason -> dead letters left, because this release can't read them either.
        replayed: Dead letters left, because they were replayed before.
    """

    sent: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    replayed: int = 0

    def sentence(self, done: str) -> str:
        """Return the counts in one sentence; ``done`` is the verb."""
        sent = ", ".join(f"{count:,} to {topic}" for topic, count in self.sent.items())
        parts = [f"{sent or 'no dead letters'} {done}"]
        if self.replayed:
            parts.append(f"{self.replayed:,} had been replayed before")
        if self.unreadable:
            reasons = ", ".join(f"{name} {n:,}" for name, n in self.unreadable.most_common())
            parts.append(
                f"{self.unreadable.total():,} left: this release can't read them ({reasons})"
            )
        return "; ".join(parts)


def letters(read: Read, wanted: Filter) -> Iterator[Letter]:
    """Yield the dead letters wanted, in the order of the log.

    Args:
        read: Reads the same records of one topic each time. It is called twice: the mark of a
            dead letter comes after it, and values are too large to be kept until then.
        wanted: Which.
    """
    marks = {(r.partition, offset) for r in read() if (offset := marked_offset(r)) is not None}
    for record in read():
        if marked_offset(record) is None:
            is_replayed = (record.partition, record.offset) in marks
            letter = Letter(record=record, is_replayed=is_replayed)
            if wanted.takes(letter):
                yield letter


def revivals(
    found: Iterable[Letter],
    tally: Tally,
    *,
    features: Sequence[Feature],
    feed_time_ms: int | None,
    limit: int | None,
) -> Iterator[tuple[Letter, OutgoingRecord]]:
    """Yield the dead letters to be replayed with their records, and count all into ``tally``."""
    for letter in found:
        if tally.sent.total() == limit:
            return
        if letter.is_replayed:
            tally.replayed += 1
            continue
        try:
            record = revive(letter.record, feed_time_ms=feed_time_ms, features=features)
        except InvalidMessageError as error:
            tally.unreadable[error.reason] += 1
            continue
        tally.sent[record.topic] += 1
        yield letter, record


def send(
    revived: Iterable[tuple[Letter, OutgoingRecord]],
    publish: Publish,
    *,
    rate: float | None,
    clock: Clock,
    stop: threading.Event,
    progress: Callable[[int], None],
) -> int:
    """Send records and the marks of their dead letters until ``stop``; return how many.

    Args:
        revived: Dead letters with their records.
        publish: Sends in one Kafka transaction.
        rate: Most records per second.
        clock: Paces, and dates the marks.
        stop: Ends the work after the transaction in hand.
        progress: Called with the records of each transaction.
    """
    started_s, done = clock.monotonic(), 0
    for batch in _batches(revived, MAX_LETTERS if rate is None else min(MAX_LETTERS, int(rate))):
        if stop.is_set():
            break
        now_ms = int(clock.now() * MILLI)
        publish([r for letter, sent in batch for r in (sent, mark(letter.record, now_ms=now_ms))])
        done += len(batch)
        progress(len(batch))
        if rate is not None:
            clock.wait(stop, started_s + done / rate - clock.monotonic())
    return done


def _batches(
    revived: Iterable[tuple[Letter, OutgoingRecord]], most: int
) -> Iterator[list[tuple[Letter, OutgoingRecord]]]:
    batch: list[tuple[Letter, OutgoingRecord]] = []
    size_bytes = 0
    for letter, record in revived:
        if batch and (len(batch) >= most or size_bytes + record.size_bytes > MAX_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append((letter, record))
        size_bytes += record.size_bytes
    if batch:
        yield batch
