import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import load
from txfeatures_dedup.settings import Settings


def test_a_hash_is_remembered_for_two_days_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TXF_DEDUP_REMEMBER_S", raising=False)
    assert load(Settings).remember_s == 2 * 24 * 3600
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", "60")
    assert load(Settings).remember_s == 60


@pytest.mark.parametrize("value", ["59", "2592001", "1.5", "a day"])
def test_a_time_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", value)
    with pytest.raises(SettingsError, match=f"TXF_DEDUP_REMEMBER_S='{value}'"):
        load(Settings)
