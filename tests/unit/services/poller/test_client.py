import asyncio
from pathlib import Path

import pytest

from txfeatures.domain.errors import SettingsError
from txfeatures_poller.client import open_client


def opened() -> None:
    """Open a client and close it again."""

    async def close() -> None:
        await open_client(1.0).aclose()

    asyncio.run(close())


PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment without proxy variables."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "[::1]"),
        ("NO_PROXY", "localhost,[::1]"),
        ("HTTP_PROXY", "http://proxy:port"),
        ("HTTPS_PROXY", "ftp://secret@proxy"),
        ("ALL_PROXY", "http://[::1"),
        ("ALL_PROXY", "socks5://proxy:1080"),  # needs a package that isn't installed
        ("all_proxy", "socks5h://proxy:1080"),
    ],
)
def test_a_proxy_variable_that_the_client_refuses_is_named(
    environ: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environ.setenv(name, value)
    with pytest.raises(
        SettingsError, match=f"^{name.upper()} is not a value that the HTTP client accepts"
    ):
        opened()


def test_a_good_proxy_does_not_draw_the_blame(environ: pytest.MonkeyPatch) -> None:
    environ.setenv("HTTPS_PROXY", "proxy:3128")
    environ.setenv("NO_PROXY", "[::1]")
    with pytest.raises(SettingsError, match=r"^NO_PROXY"):
        opened()


@pytest.mark.parametrize("value", ["::1", "127.0.0.1,localhost", "*", ".svc,*.svc", "10.0.0.0/8"])
def test_usual_exceptions_from_the_proxy_are_accepted(
    environ: pytest.MonkeyPatch, value: str
) -> None:
    environ.setenv("NO_PROXY", value)
    opened()


@pytest.mark.parametrize("value", ["proxy", "proxy:3128", "http://user:word@proxy:3128"])
def test_usual_proxies_are_accepted(environ: pytest.MonkeyPatch, value: str) -> None:
    environ.setenv("HTTPS_PROXY", value)
    opened()


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_certificate_file_that_cannot_be_used_is_one_sentence(
    environ: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    path = tmp_path / "ca.pem"
    if text is not None:
        path.write_text(text)
    environ.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(SettingsError, match=r"^SSL_CERT_FILE, SSL_CERT_DIR or SSLKEYLOGFILE"):
        opened()
