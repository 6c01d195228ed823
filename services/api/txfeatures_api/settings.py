"""Settings of the api: ``TXF_API_*`` and the shared groups it needs."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.process.settings import AwsSettings, KafkaServiceSettings


class Settings(KafkaServiceSettings):
    """The settings of the api."""

    model_config = SettingsConfigDict(env_prefix="TXF_API_")

    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    cache_s: float = Field(
        default=0.5, ge=0, le=1, description="Seconds for which a read of the store is used again."
    )
    lookback_minutes: int = Field(
        default=180,
        ge=1,
        le=10_080,
        description="How far before the feed's clock the latest row is looked for.",
    )
    drain_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description=(
            "Seconds to go on answering, with /readyz at 503, after being told to stop, "
            "so that load balancers turn away first."
        ),
    )
