"""Settings of the aggregator (``TXF_AGGREGATOR_*``)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.aggregator.logic import Rules
from txfeatures.settings import StatefulServiceSettings


class Settings(StatefulServiceSettings):
    """What the aggregator can be told; all times are seconds of the feed's clock."""

    model_config = SettingsConfigDict(env_prefix="TXF_AGGREGATOR_")

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

    @property
    def rules(self) -> Rules:
        """The rules of time."""
        return Rules(
            out_of_orderness_s=self.out_of_orderness_s,
            idle_s=self.idle_s,
            max_skew_s=self.max_skew_s,
            allowed_lateness_s=self.allowed_lateness_s,
        )
