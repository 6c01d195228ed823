import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.domain.rules import Rules
from txfeatures.history.rules import RuleSettings, load_rules
from txfeatures.process.settings import environment_names
from txfeatures_aggregator.settings import Settings as AggregatorSettings
from txfeatures_dedup.settings import Settings as DedupSettings


def test_the_rules_are_the_usual_ones_unless_told_otherwise() -> None:
    assert load_rules() == Rules()


def test_the_settings_are_those_that_the_services_read() -> None:
    theirs = environment_names(DedupSettings) | environment_names(AggregatorSettings)
    ours = environment_names(RuleSettings)
    assert len(ours) == len(Rules.model_fields)
    assert ours.keys() < theirs.keys()


def test_the_services_own_settings_change_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_AGGREGATOR_ALLOWED_LATENESS_S", "60")
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", "120")
    monkeypatch.setenv("TXF_AGGREGATOR_HTTP_PORT", "1")
    assert load_rules() == Rules(allowed_lateness_s=60, remember_s=120)


def test_rules_out_of_bounds_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_AGGREGATOR_IDLE_S", "0")
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", "1")
    with pytest.raises(SettingsError, match=r"TXF_DEDUP_REMEMBER_S='1'.*TXF_AGGREGATOR_IDLE_S='0'"):
        load_rules()
