"""Second stage: the partials of all partitions become rows, one per revision of a minute [pure].

It reads ``partials`` (what each partition has folded, absolute) and ``feed`` (the
heartbeats: was the feed alive, did it outrun the poll). Reading the same update
twice changes nothing. Final rows and corrections are made at whole seconds of the feed's clock that
all partitions have reached, of what was known by then: so their contents and their event
times depend on the partitions' logs alone, not on how they interleave here. Provisional rows
hold the newest that there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from txfeatures.domain.features import Declaration, FeatureOverflowError
from txfeatures.domain.model import MILLI, MINUTE_S, Heartbeat, PartitionUpdate, Row
from txfeatures.domain.rules import AggregatorRules, until_second
from txfeatures_aggregator.state import Frontier, Minute, Pending, Reached

STALL_MS = 2000
"""Rows go out when every partition has reached the next tick; after that long without one that
falls behind, with what the others have."""

_NEVER_S = 2**62


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
        minute_s = heartbeat.feed_time_ms // MILLI // MINUTE_S * MINUTE_S
        if not heartbeat.is_alive or self._is_forgotten(minute_s):
            return
        minute = self._minute(minute_s)
        gap_polls = minute.gap_polls
        if heartbeat.gap:
            gap_polls |= {f"{heartbeat.poller}/{heartbeat.poll_id}"}
        if gap_polls != minute.gap_polls or not minute.is_alive:
            has_gap = minute.has_gap or gap_polls != minute.gap_polls
            self._open(
                minute_s,
                msgspec.structs.replace(
                    minute, is_alive=True, gap_polls=gap_polls, has_gap=has_gap
                ),
            )

    def update(self, update: PartitionUpdate) -> None:
        """Take a partition's partials, then send the rows that are due."""
        number = update.partition
        reached = self.frontier.partitions.get(number)
        if reached and update.feed_time_ms < reached.feed_time_ms:
            return  # read again after a restart: newer partials are held already
        second_s = max(until_second(update.known_ms), self.frontier.settled_s + 1)
        for minute_s, partial in update.minutes.items():
            minute = self._minute(minute_s)
            if minute.newest.get(number) != partial:
                pending = Pending(second_s=second_s, partition=number, partial=partial)
                self._open(minute_s, minute.awaiting(pending))
        self.frontier = msgspec.structs.replace(
            self.frontier,
            expected=update.partitions,
            partitions={
                **self.frontier.partitions,
                number: (reached or Reached()).heard(update, second_s, self.rules),
            },
        )
        if not self.frontier.is_complete:
            return
        all_ms, any_ms = self.frontier.all_ms, self.frontier.any_ms
        if (
            all_ms > self.frontier.emitted_all_ms
            or any_ms >= self.frontier.emitted_any_ms + STALL_MS
        ):
            self._settle(all_ms // MILLI)
            self._preview()
            self._update(emitted_all_ms=all_ms, emitted_any_ms=any_ms)

    def _settle(self, through_s: int) -> None:
        """Make the final rows and corrections of all whole seconds up to ``through_s``."""
        while self.frontier.settled_s < through_s:
            self._settle_at(min(self._next_second(), through_s))

    def _next_second(self) -> int:
        """Return the next whole second at which something may be decided."""
        frontier = self.frontier
        reached = frontier.partitions.values()
        seconds = [ahead.second_s for each in reached for ahead in each.ahead[:1]]
        for minute_s in frontier.open:
            minute = self._minute(minute_s)
            seconds += [pending.second_s for pending in minute.pending]
            if minute.may_close:
                closes_s = max(each.closes_s(minute_s, self.rules) for each in reached)
                seconds.append(max(closes_s, frontier.settled_s + 1))
        return min(seconds, default=_NEVER_S)

    def _settle_at(self, second_s: int) -> None:
        partitions = {
            number: each.at(second_s) for number, each in self.frontier.partitions.items()
        }
        watermark_s = max(
            self.frontier.watermark_s,
            min(each.watermark_s(second_s, self.rules) for each in partitions.values()),
        )
        if watermark_s // MINUTE_S > self.frontier.watermark_s // MINUTE_S:
            self._forget(watermark_s)
        self._update(partitions=partitions, watermark_s=watermark_s, settled_s=second_s)
        for minute_s in sorted(self.frontier.open):
            minute = self._minute(minute_s)
            settled = minute.at(second_s)
            closes = settled.may_close and self.rules.is_closed(minute_s, watermark_s)
            if closes or (minute.is_final and settled is not minute):
                self._send(minute_s, settled, is_final=True)
            elif settled is not minute:
                self.changed[minute_s] = settled

    def _preview(self) -> None:
        """Make the provisional rows of minutes that changed, and rows whose gaps did."""
        still_open = set()
        for minute_s in sorted(self.frontier.open):
            minute = self._minute(minute_s)
            if minute.is_final:
                if minute.has_gap:
                    minute = self._send(minute_s, minute, is_final=True)
            elif (minute.is_dirty or minute.has_gap) and minute.newest:
                minute = self._send(minute_s, minute, is_final=False)
            if minute.pending or not minute.is_final:
                still_open.add(minute_s)
        self._update(open=frozenset(still_open))

    def _send(self, minute_s: int, minute: Minute, *, is_final: bool) -> Minute:
        known_ms = self.frontier.settled_s * MILLI
        sent = msgspec.structs.replace(
            minute,
            revision=minute.revision + 1,
            event_time_ms=max(known_ms, minute.event_time_ms + 1),
            is_final=is_final,
            is_dirty=False,
            has_gap=False,
        )
        partials = minute.partials if is_final else minute.newest
        try:
            row = self.declaration.row(
                self.declaration.merge(partials.values()),
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
        if minute_s not in self.frontier.open:
            self._update(open=self.frontier.open | {minute_s})

    def _update(self, **fields: object) -> None:
        self.frontier = msgspec.structs.replace(self.frontier, **fields)

    def _is_forgotten(self, minute_s: int) -> bool:
        return self.rules.is_forgotten(minute_s, self.frontier.watermark_s)

    def _forget(self, watermark_s: int) -> None:
        for minute_s in {*self.changed, *self.minutes} - self.frontier.open:
            if self.rules.is_forgotten(minute_s, watermark_s):
                self.changed.pop(minute_s, None)
                self.forgotten.add(minute_s)
