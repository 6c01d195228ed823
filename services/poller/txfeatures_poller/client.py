"""The HTTP client: what the environment adds to it, and what it must not remember."""

from http.cookiejar import CookieJar
from typing import Any
from urllib.request import getproxies

import httpx

from txfeatures import __version__
from txfeatures.domain.errors import SettingsError

_REFUSALS = (httpx.InvalidURL, ValueError, ImportError)
"""A client opens nothing, and has no error of its own for the proxy variables it reads:
InvalidURL for a host or port, ValueError for a scheme, ImportError for SOCKS."""


class _NoCookies(CookieJar):
    """Keeps nothing: a source's cookies would add up over the polls, and go out with each."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Ignore the cookies of ``response``."""


def open_client(timeout_s: float) -> httpx.AsyncClient:
    """Return a client for the source.

    Raises:
        SettingsError: The client refuses a variable of the environment.
    """
    try:
        return httpx.AsyncClient(
            timeout=timeout_s,
            cookies=_NoCookies(),
            headers={
                "User-Agent": f"txfeatures/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
        )
    except _REFUSALS as error:
        name = _refused_proxy_variable()
        raise SettingsError(
            f"{name} is not a value that the HTTP client accepts ({error}); correct or unset it"
        ) from error
    except OSError as error:  # also ssl.SSLError: a file that is absent, or holds no certificate
        raise SettingsError(
            "SSL_CERT_FILE, SSL_CERT_DIR or SSLKEYLOGFILE names a file that can't be used "
            f"({error}); correct or unset it"
        ) from error


def _refused_proxy_variable() -> str:
    for scheme in ("http", "https", "all"):
        url = getproxies().get(scheme)
        if url is None:
            continue
        try:
            httpx.HTTPTransport(proxy=url if "://" in url else f"http://{url}").close()
        except _REFUSALS:
            return f"{scheme.upper()}_PROXY"
    return "NO_PROXY"
