"""The rules of time that the services run by, read from the services' own settings."""

from dataclasses import dataclass

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.settings import Group, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What decides whether a transaction counts; all in seconds of the feed's clock.

    Attributes:
        out_of_orderness_s: How far a watermark stays behind the newest event time.
        idle_s: A partition whose event time has stood still that long follows the feed's clock.
        max_skew_s: An event time further ahead of the feed's clock is ``future``.
        allowed_lateness_s: How long after the watermark a minute still takes corrections.
        remember_s: A hash seen again within that time is a duplicate.
    """

    out_of_orderness_s: int = 60
    idle_s: int = 20
    max_skew_s: int = 120
    allowed_lateness_s: int = 24 * 3600
    remember_s: int = 48 * 3600


class RuleSettings(Group):
    """The settings of aggregator and dedup that decide what a minute holds."""

    model_config = SettingsConfigDict(env_prefix="TXF_")

    aggregator_out_of_orderness_s: int = Field(default=60, ge=0, le=3600)
    aggregator_idle_s: int = Field(default=20, ge=1, le=3600)
    aggregator_max_skew_s: int = Field(default=120, ge=0, le=3600)
    aggregator_allowed_lateness_s: int = Field(default=24 * 3600, ge=0, le=7 * 24 * 3600)
    dedup_remember_s: int = Field(default=48 * 3600, ge=60, le=30 * 24 * 3600)


def load_rules() -> Rules:
    """Return the rules that the environment gives to aggregator and dedup.

    Raises:
        SettingsError: One is out of bounds.
    """
    # The services refuse unknown names themselves; here theirs are only looked up.
    found = load(RuleSettings, environ={})
    return Rules(
        out_of_orderness_s=found.aggregator_out_of_orderness_s,
        idle_s=found.aggregator_idle_s,
        max_skew_s=found.aggregator_max_skew_s,
        allowed_lateness_s=found.aggregator_allowed_lateness_s,
        remember_s=found.dedup_remember_s,
    )
