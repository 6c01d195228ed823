"""State of the second stage [pure].

What a partition has said waits here until all partitions have reached the whole second by which
it was known.
"""

from collections.abc import Mapping

import msgspec

from txfeatures.domain.model import MINUTE_S, Partial, PartitionUpdate
from txfeatures.domain.rules import AggregatorRules


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """The watermark of a partition after its transactions up to a whole second; at first none.

    Attributes:
        second_s: The whole second, epoch seconds.
        counted_s: The watermark after the last of them.
        moved_ms: The feed's clock when its newest event time last rose.
    """

    second_s: int = 0
    counted_s: int = 0
    moved_ms: int = 0

    def is_needless(self, before: "Watermark", newest: "Watermark", rules: AggregatorRules) -> bool:
        """Return whether no minute closes between those ``before`` and ``newest``."""
        is_busy = newest.second_s <= rules.idle_from_s(before.moved_ms)
        return is_busy and self.counted_s // MINUTE_S == before.counted_s // MINUTE_S


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a partition.

    Attributes:
        feed_time_ms: The feed's clock by its last update.
        settled: The settled watermark.
        ahead: Those that are not settled yet, in order, as far as they can make a difference.
    """

    feed_time_ms: int = 0
    settled: Watermark = Watermark()
    ahead: tuple[Watermark, ...] = ()

    def heard(self, update: PartitionUpdate, second_s: int, rules: AggregatorRules) -> "Reached":
        """Return the progress after an update, whose transactions are known by ``second_s``."""
        newest = Watermark(
            second_s=second_s, counted_s=update.watermark_s, moved_ms=update.moved_ms
        )
        *before, last = self.settled, *self.ahead
        ahead = self.ahead
        if (newest.counted_s, newest.moved_ms) != (last.counted_s, last.moved_ms):
            # Another partition may stand still for days: what closes no minute is not kept.
            if before and last.is_needless(before[-1], newest, rules):
                ahead = ahead[:-1]
            ahead = (*ahead, newest)
        return msgspec.structs.replace(self, feed_time_ms=update.feed_time_ms, ahead=ahead)

    def at(self, second_s: int) -> "Reached":
        """Return the progress with everything settled that was known by ``second_s``."""
        known = [each for each in self.ahead if each.second_s <= second_s]
        if not known:
            return self
        return msgspec.structs.replace(self, settled=known[-1], ahead=self.ahead[len(known) :])

    def watermark_s(self, second_s: int, rules: AggregatorRules) -> int:
        """Return the settled watermark at a whole second."""
        settled = self.settled
        return rules.watermark_s(second_s, counted_s=settled.counted_s, moved_ms=settled.moved_ms)

    def closes_s(self, minute_s: int, rules: AggregatorRules) -> int:
        """Return the whole second at which the minute closes, if no transaction comes before."""
        end_s = minute_s + MINUTE_S
        if rules.is_closed(minute_s, self.settled.counted_s):
            return 0
        return max(end_s + rules.out_of_orderness_s, rules.idle_from_s(self.settled.moved_ms))


class Frontier(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the merge.

    Attributes:
        partitions: Partition number -> its progress.
        expected: Number of partitions; 0 before the first update.
        settled_s: The whole second, epoch seconds, up to which final rows and corrections are made.
        watermark_s: The least watermark of all then; never falls. 0 until all have sent one.
        emitted_all_ms: The feed's clock that all partitions had reached at the last emission.
        emitted_any_ms: The one that the first of them had reached.
        open: Minutes that may need a row: not final yet, or with a change that is not settled.
    """

    partitions: Mapping[int, Reached] = {}
    expected: int = 0
    settled_s: int = 0
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


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A partition's partial of a minute, as known at a whole second that is not settled yet."""

    second_s: int
    partition: int
    partial: Partial


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute as merged so far.

    Attributes:
        partials: Partition number -> its settled partial.
        pending: Those that are not settled yet, in the order of their updates.
        gap_polls: Polls (poller and number) that found the feed had outrun them.
        is_alive: A poll of this minute was answered.
        revision: Of the last row sent, 0 for none; ``event_time_ms`` is that row's.
        is_final: The last row was final.
        is_dirty: A partial came since the last row.
        has_gap: A gap was found since the last row.
    """

    partials: Mapping[int, Partial] = {}
    pending: tuple[Pending, ...] = ()
    gap_polls: frozenset[str] = frozenset()
    is_alive: bool = False
    revision: int = 0
    event_time_ms: int = 0
    is_final: bool = False
    is_dirty: bool = False
    has_gap: bool = False

    @property
    def may_close(self) -> bool:
        """Return True if a final row is owed: something settled came, or the feed was alive."""
        return not self.is_final and (self.is_alive or bool(self.partials))

    @property
    def newest(self) -> Mapping[int, Partial]:
        """Partition number -> its newest partial."""
        if not self.pending:
            return self.partials
        return {**self.partials, **{each.partition: each.partial for each in self.pending}}

    def awaiting(self, newest: Pending) -> "Minute":
        """Return the minute with a partial that is not settled yet.

        Until a transaction is late in its partition, the minute can't have closed before, so that
        the partition's earlier partials make no difference.
        """
        pending = [
            each
            for each in self.pending
            if each.partition != newest.partition or each.partial.late != newest.partial.late
        ]
        return msgspec.structs.replace(self, pending=(*pending, newest), is_dirty=True)

    def at(self, second_s: int) -> "Minute":
        """Return the minute with everything settled that was known by ``second_s``."""
        known = [each for each in self.pending if each.second_s <= second_s]
        if not known:
            return self
        return msgspec.structs.replace(
            self,
            partials={**self.partials, **{each.partition: each.partial for each in known}},
            pending=tuple(each for each in self.pending if each.second_s > second_s),
        )
