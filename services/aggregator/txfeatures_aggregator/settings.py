"""Settings of the aggregator (``TXF_AGGREGATOR_*``)."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.domain.rules import AggregatorRules
from txfeatures.process.settings import FeaturesSettings, StatefulServiceSettings


class Settings(AggregatorRules, StatefulServiceSettings):
    """Settings of the aggregator."""

    model_config = SettingsConfigDict(env_prefix="TXF_AGGREGATOR_")

    features: FeaturesSettings = Field(
        default_factory=FeaturesSettings, description="See TXF_FEATURES_*."
    )
