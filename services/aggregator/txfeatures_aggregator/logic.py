"""First stage: one partition of ``deduped`` folds its transactions per minute [pure].

Its clock is the feed's: the newest timestamp of the partition's records and ticks. Whatever the
batches, the same log gives the same updates, and verdicts depend on the transactions alone: ticks
only say how far all of them are known.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import EMPTY, Declaration
from txfeatures.domain.model import (
    MILLI,
    MINUTE_S,
    YEAR_10000_S,
    KafkaRecord,
    Partial,
    PartitionUpdate,
    Transaction,
)
from txfeatures.domain.rules import AggregatorRules, until_second
from txfeatures.domain.wire import decode_transaction, is_tick


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a partition; without arguments that of the very beginning.

    Attributes:
        feed_time_ms: Newest timestamp seen.
        known_ms: The feed's clock at the newest transaction that counted.
        newest_s: Newest event time that counted.
        moved_ms: The feed's clock when ``newest_s`` last rose.
        watermark_s: The watermark after that transaction; never falls.
        dirty: Minutes that changed since the last update.
    """

    feed_time_ms: int = 0
    known_ms: int = 0
    newest_s: int = 0
    moved_ms: int = 0
    watermark_s: int = 0
    dirty: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """The outcome of a batch of one partition.

    Attributes:
        progress: The partition's new progress.
        changed: Minute -> its new partial.
        forgotten: Minutes whose partial is to be deleted.
        updates: To be sent to ``partials``, in order: one for each tick, and one for each whole
            second that passed without a tick after something had changed.
        uncounted: Transactions for ``late``: each with ``late`` or ``future``.
        dead: Records that can't be read, each with its error.
        ticks: Ticks read.
        folded: Transactions that counted.
        late: Those of them whose minute was closed.
    """

    progress: Progress
    changed: Mapping[int, Partial]
    forgotten: frozenset[int]
    updates: Sequence[PartitionUpdate]
    uncounted: Sequence[tuple[KafkaRecord, str]]
    dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]
    ticks: Sequence[KafkaRecord]
    folded: int
    late: int


def fold(
    progress: Progress,
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
        progress: Progress returned by the last call, ``Progress()`` at the very beginning.
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

    progress: Progress
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
    ticks: list[KafkaRecord] = field(default_factory=list)
    folded: int = 0
    late: int = 0

    def take(self, record: KafkaRecord) -> None:
        before = self.progress
        clock_ms = max(before.feed_time_ms, record.timestamp_ms)
        if is_tick(record):
            self.ticks.append(record)
            self._advance(clock_ms)
            self._forget(before)
            self._publish()
            return
        if clock_ms > before.known_ms and before.dirty and self._is_later_second(clock_ms):
            self._publish()
        self._advance(clock_ms)
        try:
            self._count(record)
        except InvalidMessageError as error:
            self.dead.append((record, error))
        if self.progress is not before:
            self._forget(before)

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
            ticks=self.ticks,
            folded=self.folded,
            late=self.late,
        )

    def _advance(self, clock_ms: int) -> None:
        if clock_ms > self.progress.feed_time_ms:
            self._update(feed_time_ms=clock_ms)

    def _is_later_second(self, clock_ms: int) -> bool:
        return until_second(clock_ms) > until_second(self.progress.known_ms)

    def _update(self, **fields: int | frozenset[int]) -> None:
        self.progress = msgspec.structs.replace(self.progress, **fields)

    def _count(self, record: KafkaRecord) -> None:
        """Add one transaction to its minute, or set it aside."""
        rules, progress = self.rules, self.progress
        clock_ms = progress.feed_time_ms
        transaction = decode_transaction(record.value)
        minute_s = transaction.time // MINUTE_S * MINUTE_S
        latest_s = min(clock_ms // MILLI + rules.max_skew_s, YEAR_10000_S - 1)
        if transaction.time > latest_s:
            self.uncounted.append((record, "future"))
            return
        watermark_s = progress.watermark_s
        if clock_ms > progress.known_ms:
            # At the last whole second before it: what is known at its own second includes it.
            watermark_s = self._watermark_s(progress, until_second(clock_ms) - 1)
        is_late = rules.is_closed(minute_s, watermark_s)
        if is_late and rules.is_forgotten(minute_s, watermark_s):
            self.uncounted.append((record, "late"))
            return
        counted = self.counted[minute_s]
        counted.transactions.append(transaction)
        self.folded += 1
        if is_late:
            counted.late += 1
            self.late += 1
        if clock_ms > progress.known_ms:
            self._update(known_ms=clock_ms, watermark_s=watermark_s)
        if minute_s not in progress.dirty:
            self._update(dirty=self.progress.dirty | {minute_s})
        if transaction.time > progress.newest_s:
            passed_s = max(watermark_s, transaction.time - rules.out_of_orderness_s)
            self._update(newest_s=transaction.time, moved_ms=clock_ms, watermark_s=passed_s)

    def _watermark_s(self, progress: Progress, second_s: int) -> int:
        return self.rules.watermark_s(
            second_s, counted_s=progress.watermark_s, moved_ms=progress.moved_ms
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

    def _forget(self, before: Progress) -> None:
        """Forget what no correction can reach, when the watermark has passed a minute's end."""
        progress = self.progress
        watermark_s = self._watermark_s(progress, progress.feed_time_ms // MILLI)
        before_s = self._watermark_s(before, before.feed_time_ms // MILLI)
        if watermark_s // MINUTE_S == before_s // MINUTE_S:
            return
        for minute_s in {*self.changed, *self.partials}:
            # A change that was not published yet must not be forgotten.
            if minute_s not in progress.dirty and self.rules.is_forgotten(minute_s, watermark_s):
                self.changed.pop(minute_s, None)
                self.forgotten.add(minute_s)

    def _publish(self) -> None:
        progress = self.progress
        self.updates.append(
            PartitionUpdate(
                partition=self.partition,
                partitions=self.partitions,
                feed_time_ms=progress.feed_time_ms,
                known_ms=progress.known_ms,
                watermark_s=progress.watermark_s,
                moved_ms=progress.moved_ms,
                minutes={m: self._partial(m) for m in sorted(progress.dirty)},
            )
        )
        self.progress = msgspec.structs.replace(progress, dirty=frozenset())
