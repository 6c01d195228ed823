"""Settings of dedup (``TXF_DEDUP_*``)."""

from pydantic_settings import SettingsConfigDict

from txfeatures.domain.rules import DedupRules
from txfeatures.process.settings import StatefulServiceSettings


class Settings(DedupRules, StatefulServiceSettings):
    """Settings of dedup."""

    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")
