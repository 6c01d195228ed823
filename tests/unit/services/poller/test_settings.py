import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import load
from txfeatures_poller.settings import Settings


def test_the_defaults_poll_the_live_source_every_second() -> None:
    settings = load(Settings, {})
    assert str(settings.url) == "https://blockchain.info/unconfirmed-transactions?format=json"
    assert settings.interval_s == 1.0
    assert settings.feed_clock == "poll"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TXF_POLLER_INTERVAL_S", "-1"),
        ("TXF_POLLER_URL", "ftp://example.org"),
        ("TXF_POLLER_NAME", "../other"),
        ("TXF_POLLER_FEED_CLOCK", "sundial"),
        ("TXF_POLLER_MAX_BODY_BYTES", "10"),
        ("TXF_POLLER_INTERVAL", "1"),
    ],
)
def test_a_wrong_value_or_name_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load(Settings)


def test_the_api_code_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TXF_POLLER_API_CODE", "hidden")
    assert "hidden" not in repr(load(Settings))
