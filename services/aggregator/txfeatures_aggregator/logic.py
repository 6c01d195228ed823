"""First stage: one partition of ``deduped`` folds its transactions per minute [pure].

Its clock is the feed's: the newest timestamp of the partition's records and ticks.
Whatever the batches, the same log gives the same updates.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import EMPTY, Declaration
from txfeatures.domain.model import (
    MINUTE_S,
    YEAR_10000_S,
    KafkaRecord,
    Partial,
    PartitionUpdate,
    Transaction,
)
from txfeatures.domain.rules import AggregatorRules
from txfeatures.domain.wire import decode_transaction, is_tick


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a partition.

    Attributes:
        feed_time_ms: Newest timestamp seen.
        newest_s: Newest event time that counted.
        moved_ms: The feed's clock when ``newest_s`` last rose.
        watermark_s: Never falls.
        dirty: Minutes that changed since the last update.
    """

    feed_time_ms: int
    newest_s: int
    moved_ms: int
    watermark_s: int
    dirty: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """The outcome of a batch of one partition.

    Attributes:
        progress: The partition's new progress; None if nothing was ever read.
        changed: Minute -> its new partial.
        forgotten: Minutes whose partial is to be deleted.
        updates: To be sent to ``partials``, in order: one for each tick.
        uncounted: Transactions for ``late``: each with ``late`` or ``future``.
        dead: Records that can't be read, each with its error.
        folded: Transactions that counted.
        late: Those of them whose minute was closed.
    """

    progress: Progress | None
    changed: Mapping[int, Partial]
    forgotten: frozenset[int]
    updates: Sequence[PartitionUpdate]
    uncounted: Sequence[tuple[KafkaRecord, str]]
    dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]
    folded: int
    late: int


def fold(
    progress: Progress | None,
    partials: Mapping[int, Partial],
    records: Sequence[KafkaRecord],
    *,
    partition: int,
    partitions: int,
    rules: AggregatorRules,
    declaration: Declaration,
) -> FoldOutcome:
    """Fold a batch of one partition.

    Args:
        progress: Progress returned by the last call, None at the very beginning.
        partials: Minute (epoch seconds of its start) -> partial of this partition.
        records: The next records of the partition, in order.
        partition: Its number.
        partitions: Number of partitions of ``deduped``.
        rules: The rules of time.
        declaration: The declared features.
    """
    batch = _Batch(progress, partials, partition, partitions, rules, declaration)
    for record in records:
        batch.take(record)
    return batch.outcome()


@dataclass(slots=True)
class _Counted:
    """Transactions of a minute that count and are not folded yet; ``late`` of them came late."""

    transactions: list[Transaction] = field(default_factory=list)
    late: int = 0


@dataclass(slots=True)
class _Batch:
    """The working state of one call of ``fold``.

    Transactions are folded per minute and many at once: at each tick, and at the end.
    """

    progress: Progress | None
    partials: Mapping[int, Partial]
    partition: int
    partitions: int
    rules: AggregatorRules
    declaration: Declaration
    counted: dict[int, _Counted] = field(default_factory=lambda: defaultdict(_Counted))
    changed: dict[int, Partial] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    updates: list[PartitionUpdate] = field(default_factory=list)
    uncounted: list[tuple[KafkaRecord, str]] = field(default_factory=list)
    dead: list[tuple[KafkaRecord, InvalidMessageError]] = field(default_factory=list)
    folded: int = 0
    late: int = 0

    def take(self, record: KafkaRecord) -> None:
        progress = self._advance(record.timestamp_ms)
        if is_tick(record):
            self.progress = self._publish(progress)
            return
        try:
            self.progress = self._count(progress, record)
        except InvalidMessageError as error:
            self.dead.append((record, error))
            self.progress = progress

    def outcome(self) -> FoldOutcome:
        for minute_s in list(self.counted):
            self._partial(minute_s)
        return FoldOutcome(
            progress=self.progress,
            changed=self.changed,
            forgotten=frozenset(self.forgotten),
            updates=self.updates,
            uncounted=self.uncounted,
            dead=self.dead,
            folded=self.folded,
            late=self.late,
        )

    def _advance(self, timestamp_ms: int) -> Progress:
        """Let the feed's clock reach ``timestamp_ms``; an idle partition follows it."""
        rules = self.rules
        if self.progress is None:
            newest_s = timestamp_ms // 1000 - rules.idle_s
            return Progress(
                feed_time_ms=timestamp_ms,
                newest_s=newest_s,
                moved_ms=timestamp_ms,
                watermark_s=newest_s - rules.out_of_orderness_s,
            )
        if timestamp_ms <= self.progress.feed_time_ms:
            return self.progress
        progress = msgspec.structs.replace(self.progress, feed_time_ms=timestamp_ms)
        if timestamp_ms - progress.moved_ms < rules.idle_s * 1000:
            return progress
        return self._raise_watermark(progress, timestamp_ms // 1000 - rules.out_of_orderness_s)

    def _count(self, progress: Progress, record: KafkaRecord) -> Progress:
        """Add one transaction to its minute, or set it aside."""
        rules = self.rules
        transaction = decode_transaction(record.value)
        minute_s = transaction.time // MINUTE_S * MINUTE_S
        latest_s = min(progress.feed_time_ms // 1000 + rules.max_skew_s, YEAR_10000_S - 1)
        if transaction.time > latest_s:
            self.uncounted.append((record, "future"))
            return progress
        is_late = rules.is_closed(minute_s, progress.watermark_s)
        if is_late and rules.is_forgotten(minute_s, progress.watermark_s):
            self.uncounted.append((record, "late"))
            return progress
        counted = self.counted[minute_s]
        counted.transactions.append(transaction)
        self.folded += 1
        if is_late:
            counted.late += 1
            self.late += 1
        if minute_s not in progress.dirty:
            progress = msgspec.structs.replace(progress, dirty=progress.dirty | {minute_s})
        if transaction.time <= progress.newest_s:
            return progress
        return self._raise_watermark(
            msgspec.structs.replace(
                progress, newest_s=transaction.time, moved_ms=progress.feed_time_ms
            ),
            transaction.time - rules.out_of_orderness_s,
        )

    def _partial(self, minute_s: int) -> Partial:
        """Return the partial of a minute, with all its counted transactions folded in."""
        partial = self.changed.get(minute_s) or self.partials.get(minute_s, EMPTY)
        counted = self.counted.pop(minute_s, None)
        if counted is None:
            return partial
        partial = self.declaration.fold(partial, counted.transactions, late=counted.late)
        self.changed[minute_s] = partial
        return partial

    def _raise_watermark(self, progress: Progress, watermark_s: int) -> Progress:
        if watermark_s <= progress.watermark_s:
            return progress
        if watermark_s // MINUTE_S > progress.watermark_s // MINUTE_S:
            self._forget(progress, watermark_s)
        return msgspec.structs.replace(progress, watermark_s=watermark_s)

    def _forget(self, progress: Progress, watermark_s: int) -> None:
        for minute_s in {*self.changed, *self.partials}:
            # A change that was not published yet must not be forgotten.
            if minute_s not in progress.dirty and self.rules.is_forgotten(minute_s, watermark_s):
                self.changed.pop(minute_s, None)
                self.forgotten.add(minute_s)

    def _publish(self, progress: Progress) -> Progress:
        self.updates.append(
            PartitionUpdate(
                partition=self.partition,
                partitions=self.partitions,
                feed_time_ms=progress.feed_time_ms,
                watermark_s=progress.watermark_s,
                minutes={m: self._partial(m) for m in sorted(progress.dirty)},
            )
        )
        return msgspec.structs.replace(progress, dirty=frozenset())
