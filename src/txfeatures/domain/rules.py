"""The rules of time: what decides what a minute holds [pure].

Each is declared here alone, with its default, its bounds and its meaning. The settings of dedup and
of the aggregator are made of them, and whoever recomputes the past goes by all of them.
"""

from pydantic import BaseModel, Field

from txfeatures.domain.model import MINUTE_S


class DedupRules(BaseModel, frozen=True, extra="forbid"):
    """When a transaction is a duplicate."""

    remember_s: int = Field(
        default=48 * 3600,
        ge=60,
        le=30 * 24 * 3600,
        description="How long a hash is remembered at least, seconds of log time; at most an "
        "eighth longer.",
    )


class AggregatorRules(BaseModel, frozen=True, extra="forbid"):
    """When a minute closes, and what still counts then; all in seconds of the feed's clock."""

    out_of_orderness_s: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="How far the watermark stays behind the newest transaction.",
    )
    idle_s: int = Field(
        default=20,
        ge=1,
        le=3600,
        description="A partition whose event time stands still that long follows the feed's clock.",
    )
    max_skew_s: int = Field(
        default=120,
        ge=0,
        le=3600,
        description="A transaction dated further ahead of the feed's clock is not counted.",
    )
    allowed_lateness_s: int = Field(
        default=24 * 3600,
        ge=0,
        le=7 * 24 * 3600,
        description="How long after the watermark a minute still takes corrections.",
    )

    def is_closed(self, minute_s: int, watermark_s: int) -> bool:
        """Whether the watermark has passed the end of the minute."""
        return minute_s + MINUTE_S <= watermark_s

    def is_forgotten(self, minute_s: int, watermark_s: int) -> bool:
        """Whether the minute no longer takes corrections."""
        return self.is_closed(minute_s, watermark_s - self.allowed_lateness_s)


class Rules(AggregatorRules, DedupRules):
    """All rules of time."""
