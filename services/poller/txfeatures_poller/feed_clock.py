"""The feed's clock as one poller publishes it: it never falls, and never runs away [pure]."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedClock:
    """The feed's clock at one moment.

    A feed time more than ``max_jump_ms`` ahead of the clock and the time that has passed since
    needs a witness within ``max_jump_ms``: a new transaction, or the other of the two clocks that
    a poll has, the machine's and the source's. A first feed time, which has no clock before it,
    is refused if both contradict.

    Attributes:
        max_jump_ms: See the setting ``max_clock_jump_s``.
        reached_ms: The clock, epoch milliseconds; None before a witness has confirmed it.
        reached_at_s: Monotonic time at which it was reached.
        is_doubted: The last answer's time was refused; none is taken unconfirmed after it.
    """

    max_jump_ms: int
    reached_ms: int | None = None
    reached_at_s: float = 0.0
    is_doubted: bool = False

    def answered(
        self,
        feed_time_ms: int,
        *,
        now_s: float,
        other_clock_ms: int | None,
        new_times_s: Collection[int],
    ) -> Self | None:
        """Return the clock after an answer, None if its feed time is refused.

        Args:
            feed_time_ms: The feed time of the answer.
            now_s: Monotonic time.
            other_clock_ms: The other clock at that moment, None if it is unknown.
            new_times_s: The ``time`` of each transaction that no answer before it showed.
        """
        if self.reached_ms is not None and not self._is_jump(self.reached_ms, feed_time_ms, now_s):
            return self._reach(feed_time_ms, now_s)
        witnesses_ms = [time_s * 1000 for time_s in new_times_s]
        if other_clock_ms is not None:
            witnesses_ms.append(other_clock_ms)
        if any(abs(feed_time_ms - time_ms) <= self.max_jump_ms for time_ms in witnesses_ms):
            return self._reach(feed_time_ms, now_s)
        has_both = other_clock_ms is not None and new_times_s
        return None if self.reached_ms is not None or has_both or self.is_doubted else self

    def refused(self) -> Self:
        """Return the clock after an answer whose feed time was refused."""
        return replace(self, is_doubted=True)

    def failed(self, feed_time_ms: int | None, *, now_s: float) -> Self:
        """Return the clock after a failed poll at ``feed_time_ms``, None if that is unknown."""
        if self.reached_ms is None or feed_time_ms is None:
            return self
        if self._is_jump(self.reached_ms, feed_time_ms, now_s):
            return self
        return self._reach(feed_time_ms, now_s)

    def at(self, feed_time_ms: int) -> int:
        """Return the time to publish for an answer, whose feed time may be behind the clock."""
        return feed_time_ms if self.reached_ms is None else max(self.reached_ms, feed_time_ms)

    def at_failure(self, feed_time_ms: int | None) -> int | None:
        """Return the time to publish for a failed poll, None if there is no credible one."""
        if self.reached_ms is not None:
            return self.reached_ms
        return None if self.is_doubted else feed_time_ms

    def _reach(self, feed_time_ms: int, now_s: float) -> Self:
        return replace(self, reached_ms=self.at(feed_time_ms), reached_at_s=now_s, is_doubted=False)

    def _is_jump(self, reached_ms: int, feed_time_ms: int, now_s: float) -> bool:
        passed_ms = (now_s - self.reached_at_s) * 1000
        return feed_time_ms > reached_ms + passed_ms + self.max_jump_ms
