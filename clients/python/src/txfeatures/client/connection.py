"""The settings of a client, and the requests of its methods."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from txfeatures.client.errors import FeaturesError
from txfeatures.client.messages import Failure, Request, Response

URL, TOKEN = "TXFEATURES_URL", "TXFEATURES_TOKEN"
DEFAULT_URL = "http://127.0.0.1:8000"
SILENCE_S = 45.0
"""A stream sends a heartbeat every 15 s; after three missing ones its connection is dead."""
PAGE = 1_000
"""Rows per page, the most that the api allows."""

Token = str | Callable[[], str] | None
Moment = datetime | str


class Connection:
    """The address of an api, and what every request to it carries.

    Args:
        url: Its address, also with a path; by default that of ``TXFEATURES_URL``.
        token: A bearer token, or a function that returns one; by default ``TXFEATURES_TOKEN``.
        timeout_s: Longest wait for a connection, and for the next bytes of an answer.
    """

    def __init__(self, url: str | None, *, token: Token, timeout_s: float) -> None:
        self.url = (url or os.environ.get(URL) or DEFAULT_URL).rstrip("/")
        self._token = token or os.environ.get(TOKEN)
        self._timeout_s = timeout_s
        parts = httpx.URL(self.url)
        if parts.scheme not in {"http", "https"} or not parts.host:
            raise FeaturesError(
                f"{self.url!r} is not the address of an api; write it as {DEFAULT_URL}"
            )

    def __repr__(self) -> str:
        return f"Connection({self.url!r})"

    def arguments(self, request: Request, *, is_stream: bool = False) -> dict[str, Any]:
        """Return the arguments of `httpx.Client.build_request` for ``request``."""
        headers = request.headers
        token = self._token() if callable(self._token) else self._token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        read_s = max(SILENCE_S, self._timeout_s) if is_stream else self._timeout_s
        return {
            "method": "GET",
            "url": f"{self.url}{request.path}",
            "params": request.params,
            "headers": headers,
            "timeout": httpx.Timeout(self._timeout_s, read=read_s),
        }


def response_of(answer: httpx.Response, body: bytes) -> Response:
    """Return an answer of httpx as a value."""
    return Response(status=answer.status_code, headers=headers_of(answer), body=body)


def headers_of(answer: httpx.Response) -> dict[str, str]:
    """Return the headers of an answer by name in lower case."""
    return {name.lower(): value for name, value in answer.headers.items()}


def failure_of(error: httpx.HTTPError) -> Failure:
    """Return the failure of a request without an answer."""
    reason = "it took too long" if isinstance(error, httpx.TimeoutException) else str(error)
    return Failure(reason or type(error).__name__)


def latest(*, final: bool, max_staleness_s: float | None) -> Request:
    """Return the request of the newest row."""
    params = [("final", "true")] if final else []
    if max_staleness_s is not None:
        params.append(("max_staleness", f"{max_staleness_s:g}"))
    return Request(path="/features/latest", params=tuple(params))


def minute(moment: Moment) -> Request:
    """Return the request of the row of a minute."""
    return Request(path=f"/features/{_text(moment)}")


def between(
    start: Moment, end: Moment | None, *, fields: Sequence[str] | None, accept: str
) -> Request:
    """Return the request of the first page of the minutes from ``start`` to before ``end``."""
    params = [("from", _text(start)), ("limit", str(PAGE))]
    if end is not None:
        last = _moment(end) - timedelta(minutes=1)
        if last < _moment(start):
            raise ValueError(f"end must be a minute or more after start, not {end} after {start}")
        params.append(("to", _text(last)))
    if fields is not None:
        params.append(("fields", ",".join(fields)))
    return Request(path="/features", params=tuple(params), accept=accept)


def _text(moment: Moment) -> str:
    return _moment(moment).strftime("%Y-%m-%dT%H:%M:00Z")


def _moment(moment: Moment) -> datetime:
    """Return the minute of a moment; one without a zone is UTC.

    Raises:
        ValueError: It is no time in ISO 8601.
    """
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
