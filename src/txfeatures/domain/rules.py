"""The rules of time, which decide the minute a transaction counts in [pure].

Each is declared once, here, with its default, its bounds and its meaning. The settings of dedup
and the aggregator inherit them, and a recomputation of the past applies all of them.
"""

from pydantic import BaseModel, Field

from txfeatures.domain.model import MILLI, MINUTE_S


class DedupRules(BaseModel, frozen=True, extra="forbid"):
    """The rule by which a transaction is a duplicate."""

    remember_s: int = Field(
        default=48 * 3600,
        ge=60,
        le=30 * 24 * 3600,
        description="Seconds of feed time for which a hash is remembered; it is forgotten at most "
        "an eighth later.",
    )


class AggregatorRules(BaseModel, frozen=True, extra="forbid"):
    """The rules by which minutes close and take corrections, in seconds of the feed clock."""

    out_of_orderness_s: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="Seconds that the watermark stays behind the newest transaction.",
    )
    idle_s: int = Field(
        default=20,
        ge=1,
        le=3600,
        description="Seconds without progress of its event time after which a partition follows "
        "the feed clock.",
    )
    max_skew_s: int = Field(
        default=120,
        ge=0,
        le=3600,
        description="Seconds that a transaction may be dated ahead of the feed clock; beyond that "
        "it is not counted.",
    )
    allowed_lateness_s: int = Field(
        default=24 * 3600,
        ge=0,
        le=7 * 24 * 3600,
        description="Seconds for which a minute still takes corrections after it has closed.",
    )

    def watermark_s(self, second_s: int, *, counted_s: int, moved_ms: int) -> int:
        """Return a partition's watermark at a whole second of the feed's clock.

        Args:
            second_s: The second, epoch seconds.
            counted_s: The watermark after the partition's last transaction up to then.
            moved_ms: The feed's clock when its newest event time last rose, 0 if it never did.
        """
        if second_s * MILLI - moved_ms < self.idle_s * MILLI:
            return counted_s
        return max(counted_s, second_s - self.out_of_orderness_s)

    def idle_from_s(self, moved_ms: int) -> int:
        """Return the first whole second at which a partition is idle."""
        return until_second(moved_ms) + self.idle_s

    def is_closed(self, minute_s: int, watermark_s: int) -> bool:
        """Return whether the watermark has passed the end of the minute."""
        return minute_s + MINUTE_S <= watermark_s

    def is_forgotten(self, minute_s: int, watermark_s: int) -> bool:
        """Return whether the minute no longer takes corrections."""
        return self.is_closed(minute_s, watermark_s - self.allowed_lateness_s)


def until_second(time_ms: int) -> int:
    """Return the first whole second that is not before ``time_ms``.

    What is final is decided at whole seconds of the feed's clock: what has a time up to one is
    known at it. So the archive, which has no ticks, decides the same as the stream.

    >>> until_second(1000), until_second(1001)
    (1, 2)
    """
    return -(-time_ms // MILLI)


class Rules(AggregatorRules, DedupRules):
    """All rules of time."""
