"""Second stage: the partials of all partitions become rows, one per revision of a minute [pure].

It reads ``partials`` (what each partition has folded, absolute) and ``feed`` (the
heartbeats: was the feed alive, did it outrun the poll). Reading the same update
twice changes nothing. The contents of a minute's last revision depend on the
partitions' logs alone, not on how they interleave here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from txfeatures.domain.features import Declaration, FeatureOverflowError
from txfeatures.domain.model import MINUTE_S, Heartbeat, Partial, PartitionUpdate, Row
from txfeatures.domain.rules import AggregatorRules

STALL_MS = 2000
"""Rows go out when every partition has reached the next tick; after that long without one that
falls behind, with what the others have."""


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The clock and the watermark of a partition, by its last update."""

    feed_time_ms: int
    watermark_s: int


class Frontier(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the merge.

    Attributes:
        partitions: Partition number -> its last update.
        expected: Number of partitions; 0 before the first update.
        watermark_s: The least watermark of all; never falls. 0 until all have sent one.
        emitted_all_ms: The feed's clock that all partitions had reached at the last emission.
        emitted_any_ms: The one that the first of them had reached.
        open: Minutes that may need a row: not final yet, or changed since their last row.
    """

    partitions: Mapping[int, Reached] = {}
    expected: int = 0
    watermark_s: int = 0
    emitted_all_ms: int = 0
    emitted_any_ms: int = 0
    open: frozenset[int] = frozenset()

    @property
    def is_complete(self) -> bool:
        """Return True if every partition has sent an update."""
        return 0 < self.expected == len(self.partitions)

    @property
    def all_ms(self) -> int:
        """Return the feed's clock that every partition has reached."""
        return min((p.feed_time_ms for p in self.partitions.values()), default=0)

    @property
    def any_ms(self) -> int:
        """Return the feed's clock that some partition has reached."""
        return max((p.feed_time_ms for p in self.partitions.values()), default=0)


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute as merged so far.

    Attributes:
        partials: Partition number -> its partial.
        gap_polls: Polls (poller and number) that found the feed had outrun them.
        is_alive: A poll of this minute was answered.
        revision: Of the last row sent, 0 for none; ``event_time_ms`` is that row's.
        is_final: The last row was final.
        is_dirty: Something changed since the last row.
    """

    partials: Mapping[int, Partial] = {}
    gap_polls: frozenset[str] = frozenset()
    is_alive: bool = False
    revision: int = 0
    event_time_ms: int = 0
    is_final: bool = False
    is_dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedRow:
    """A row to be sent, and its kind: provisional, final or correction."""

    kind: str
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOutcome:
    """The outcome of a batch; ``overflows`` are the errors of rows that are not published."""

    frontier: Frontier
    changed: Mapping[int, Minute]
    forgotten: frozenset[int]
    rows: Sequence[MergedRow]
    overflows: Sequence[FeatureOverflowError]


def merge(
    frontier: Frontier,
    minutes: Mapping[int, Minute],
    messages: Sequence[PartitionUpdate | Heartbeat],
    *,
    rules: AggregatorRules,
    declaration: Declaration,
) -> MergeOutcome:
    """Merge a batch.

    Args:
        frontier: What the last call returned; ``Frontier()`` at the very beginning.
        minutes: Minute (epoch seconds of its start) -> as merged so far.
        messages: The next of ``partials`` and ``feed``, in any interleaving.
        rules: The rules of time.
        declaration: The declared features.
    """
    batch = _Batch(frontier, minutes, rules, declaration)
    for message in messages:
        if isinstance(message, Heartbeat):
            batch.hear(message)
        else:
            batch.update(message)
    return MergeOutcome(
        frontier=batch.frontier,
        changed=batch.changed,
        forgotten=frozenset(batch.forgotten),
        rows=batch.rows,
        overflows=batch.overflows,
    )


@dataclass(slots=True)
class _Batch:
    """The working state of one call of ``merge``."""

    frontier: Frontier
    minutes: Mapping[int, Minute]
    rules: AggregatorRules
    declaration: Declaration
    changed: dict[int, Minute] = field(default_factory=dict)
    forgotten: set[int] = field(default_factory=set)
    rows: list[MergedRow] = field(default_factory=list)
    overflows: list[FeatureOverflowError] = field(default_factory=list)

    def hear(self, heartbeat: Heartbeat) -> None:
        """Note that the feed was alive, and if it outran the poll."""
        minute_s = heartbeat.feed_time_ms // 1000 // MINUTE_S * MINUTE_S
        if not heartbeat.is_alive or self._is_forgotten(minute_s):
            return
        minute = self._minute(minute_s)
        gap_polls = minute.gap_polls
        if heartbeat.gap:
            gap_polls |= {f"{heartbeat.poller}/{heartbeat.poll_id}"}
        if gap_polls != minute.gap_polls or not minute.is_alive:
            self._open(
                minute_s,
                msgspec.structs.replace(
                    minute,
                    is_alive=True,
                    gap_polls=gap_polls,
                    is_dirty=minute.is_dirty or gap_polls != minute.gap_polls,
                ),
            )

    def update(self, update: PartitionUpdate) -> None:
        """Take a partition's partials, then send the rows that are due."""
        known = self.frontier.partitions.get(update.partition)
        if known and update.feed_time_ms < known.feed_time_ms:
            return  # read again after a restart: newer partials are held already
        for minute_s, partial in update.minutes.items():
            minute = self._minute(minute_s)
            if minute.partials.get(update.partition) != partial:
                partials = {**minute.partials, update.partition: partial}
                self._open(
                    minute_s, msgspec.structs.replace(minute, partials=partials, is_dirty=True)
                )
        reached = Reached(feed_time_ms=update.feed_time_ms, watermark_s=update.watermark_s)
        self.frontier = msgspec.structs.replace(
            self.frontier,
            expected=update.partitions,
            partitions={**self.frontier.partitions, update.partition: reached},
        )
        self._advance()

    def _advance(self) -> None:
        frontier = self.frontier
        if not frontier.is_complete:
            return
        watermark_s = max(
            frontier.watermark_s, min(p.watermark_s for p in frontier.partitions.values())
        )
        if watermark_s // MINUTE_S > frontier.watermark_s // MINUTE_S:
            self._forget(watermark_s)
        self.frontier = frontier = msgspec.structs.replace(frontier, watermark_s=watermark_s)
        if (
            frontier.all_ms > frontier.emitted_all_ms
            or frontier.any_ms >= frontier.emitted_any_ms + STALL_MS
        ):
            self._emit()

    def _emit(self) -> None:
        frontier = self.frontier
        still_open = set()
        for minute_s in sorted(frontier.open):
            minute = self._minute(minute_s)
            closes = self.rules.is_closed(minute_s, frontier.watermark_s) and not minute.is_final
            if closes or (minute.is_dirty and (minute.partials or minute.is_final)):
                minute = self._send(minute_s, minute, is_final=minute.is_final or closes)
            if not minute.is_final:
                still_open.add(minute_s)
        self.frontier = msgspec.structs.replace(
            frontier,
            emitted_all_ms=frontier.all_ms,
            emitted_any_ms=frontier.any_ms,
            open=frozenset(still_open),
        )

    def _send(self, minute_s: int, minute: Minute, *, is_final: bool) -> Minute:
        sent = msgspec.structs.replace(
            minute,
            revision=minute.revision + 1,
            event_time_ms=max(self.frontier.any_ms, minute.event_time_ms + 1),
            is_final=is_final,
            is_dirty=False,
        )
        try:
            row = self.declaration.row(
                self.declaration.merge(minute.partials.values()),
                minute_s=minute_s,
                event_time_ms=sent.event_time_ms,
                revision=sent.revision,
                is_final=is_final,
                gaps=len(minute.gap_polls),
            )
        except FeatureOverflowError as error:
            self.overflows.append(error)
        else:
            kind = "correction" if minute.is_final else "final" if is_final else "provisional"
            self.rows.append(MergedRow(kind=kind, row=row))
        self.changed[minute_s] = sent
        return sent

    def _minute(self, minute_s: int) -> Minute:
        return self.changed.get(minute_s) or self.minutes.get(minute_s) or Minute()

    def _open(self, minute_s: int, minute: Minute) -> None:
        self.changed[minute_s] = minute
        self.frontier = msgspec.structs.replace(self.frontier, open=self.frontier.open | {minute_s})

    def _is_forgotten(self, minute_s: int) -> bool:
        return self.rules.is_forgotten(minute_s, self.frontier.watermark_s)

    def _forget(self, watermark_s: int) -> None:
        for minute_s in {*self.changed, *self.minutes} - self.frontier.open:
            if self.rules.is_forgotten(minute_s, watermark_s):
                self.changed.pop(minute_s, None)
                self.forgotten.add(minute_s)
