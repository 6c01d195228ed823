"""The rules of time that the services run by, read from the services' own settings."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.domain.rules import AggregatorRules, DedupRules, Rules
from txfeatures.process.settings import Group, load


class _Dedup(DedupRules, Group):
    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")


class _Aggregator(AggregatorRules, Group):
    model_config = SettingsConfigDict(env_prefix="TXF_AGGREGATOR_")


class RuleSettings(Group):
    """Settings of dedup and the aggregator that determine the rows of a minute."""

    dedup: _Dedup = Field(default_factory=_Dedup)
    aggregator: _Aggregator = Field(default_factory=_Aggregator)


def load_rules() -> Rules:
    """Return the rules that the environment gives to dedup and the aggregator.

    Raises:
        SettingsError: One is out of bounds.
    """
    # The services refuse unknown names themselves; here theirs are only looked up.
    found = load(RuleSettings, environ={})
    return Rules(**found.dedup.model_dump(), **found.aggregator.model_dump())
