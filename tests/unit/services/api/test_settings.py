import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import load
from txfeatures_api.settings import Settings


def test_everything_has_a_default() -> None:
    assert load(Settings, {}).lookback_minutes == 180


def test_a_cache_of_more_than_a_second_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_API_CACHE_S", "1.5")
    with pytest.raises(SettingsError, match=r"TXF_API_CACHE_S='1\.5'"):
        load(Settings)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="TXF_API_CACHE is not a setting"):
        load(Settings, {"TXF_API_CACHE": "1"})
