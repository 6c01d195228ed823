import pytest

from services.aggregator.settings import Settings as AggregatorSettings
from services.dedup.settings import Settings as DedupSettings
from txfeatures.errors import SettingsError
from txfeatures.history.rules import Rules, RuleSettings, load_rules


def test_the_rules_are_those_of_the_services_by_default() -> None:
    aggregator, dedup = AggregatorSettings(), DedupSettings()
    assert load_rules() == Rules(
        out_of_orderness_s=aggregator.out_of_orderness_s,
        idle_s=aggregator.idle_s,
        max_skew_s=aggregator.max_skew_s,
        allowed_lateness_s=aggregator.allowed_lateness_s,
        remember_s=dedup.remember_s,
    )
    assert load_rules() == Rules()


def test_the_services_own_settings_change_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_AGGREGATOR_ALLOWED_LATENESS_S", "60")
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", "120")
    monkeypatch.setenv("TXF_AGGREGATOR_HTTP_PORT", "1")
    assert load_rules() == Rules(allowed_lateness_s=60, remember_s=120)


def test_a_rule_out_of_bounds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_AGGREGATOR_IDLE_S", "0")
    with pytest.raises(SettingsError, match="TXF_AGGREGATOR_IDLE_S"):
        load_rules()


@pytest.mark.parametrize("name", ["out_of_orderness_s", "idle_s", "max_skew_s"])
def test_bounds_are_those_of_the_aggregator(name: str) -> None:
    ours = RuleSettings.model_fields[f"aggregator_{name}"].metadata
    assert ours == AggregatorSettings.model_fields[name].metadata
