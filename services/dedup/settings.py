"""Settings of dedup (``TXF_DEDUP_*``)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.settings import KafkaSettings, ServiceSettings


class Settings(ServiceSettings):
    """What dedup can be told."""

    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")

    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="See TXF_KAFKA_*.")
    remember_s: int = Field(
        default=48 * 3600,
        ge=60,
        le=30 * 24 * 3600,
        description="How long a hash is remembered, seconds of log time.",
    )
