"""Settings of dedup (``TXF_DEDUP_*``)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.settings import StatefulServiceSettings


class Settings(StatefulServiceSettings):
    """What dedup can be told."""

    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")

    remember_s: int = Field(
        default=48 * 3600,
        ge=60,
        le=30 * 24 * 3600,
        description="How long a hash is remembered at least, seconds of log time; at most an "
        "eighth longer.",
    )
