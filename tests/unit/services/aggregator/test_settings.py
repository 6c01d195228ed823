import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.domain.rules import AggregatorRules
from txfeatures.process.settings import environment_names, load
from txfeatures_aggregator.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment_names(Settings):
        monkeypatch.delenv(name, raising=False)


def rules(settings: Settings) -> AggregatorRules:
    return AggregatorRules(**settings.model_dump(include=set(AggregatorRules.model_fields)))


def test_the_rules_are_the_usual_ones_unless_told_otherwise() -> None:
    assert rules(load(Settings)) == AggregatorRules()


def test_each_setting_reaches_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("OUT_OF_ORDERNESS", "IDLE", "MAX_SKEW", "ALLOWED_LATENESS"), 1):
        monkeypatch.setenv(f"TXF_AGGREGATOR_{name}_S", str(number))
    assert rules(load(Settings)) == AggregatorRules(
        out_of_orderness_s=1, idle_s=2, max_skew_s=3, allowed_lateness_s=4
    )


@pytest.mark.parametrize("name", ["OUT_OF_ORDERNESS_S", "IDLE_S", "MAX_SKEW_S"])
@pytest.mark.parametrize("value", ["-1", "3601", "soon"])
def test_a_time_out_of_bounds_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"TXF_AGGREGATOR_{name}", value)
    with pytest.raises(SettingsError, match=f"TXF_AGGREGATOR_{name}='{value}'"):
        load(Settings)
