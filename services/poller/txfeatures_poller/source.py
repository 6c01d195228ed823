"""The source over HTTP: the newest transactions, or the reason for no answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Literal, Self
from urllib.request import getproxies

import httpx
import msgspec

from txfeatures import __version__
from txfeatures.domain.errors import SettingsError, TransientError
from txfeatures.process.clock import Clock
from txfeatures_poller.settings import Settings

FeedClockSource = Literal["poll", "response_date"]

LONGEST_RETRY_AFTER_S = 600.0
"""A source that wants a longer pause is polled again after ten minutes all the same."""

_HTML = re.compile(rb"\s*<")


class _Body(msgspec.Struct):
    txs: list[msgspec.Raw]


_body = msgspec.json.Decoder(_Body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer.

    Attributes:
        transactions: The elements of ``txs``, each the bytes the source sent, unread.
        feed_time_ms: The feed's clock, epoch milliseconds.
        fetched_at_ms: Time of day at which the whole answer was there, epoch milliseconds.
        body_bytes: Length of the body, decompressed.
    """

    transactions: Sequence[bytes]
    feed_time_ms: int
    fetched_at_ms: int
    body_bytes: int


class PollFailedError(TransientError):
    """The source gave no answer that can be used.

    Attributes:
        outcome: Short, fixed, snake_case: goes into a metric label and the heartbeat.
            ``http_429``, ``http_5xx``, ``http_<status>``, ``html``, ``not_json``,
            ``wrong_shape``, ``too_large``, ``bad_encoding``, ``no_date``, ``timeout`` or
            ``connection``.
        feed_time_ms: The feed's clock at the poll, None as long as it is unknown.
        retry_after_s: The pause that the source wants, ten minutes at most; None for none.
    """

    def __init__(
        self, outcome: str, detail: str, *, feed_time_ms: int | None, retry_after_s: float | None
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.outcome = outcome
        self.feed_time_ms = feed_time_ms


class _RefusedError(Exception):
    """The refusal of an answer, before the feed's time is added."""

    def __init__(self, outcome: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.retry_after_s = retry_after_s


class HttpSource:
    """Requests the newest transactions of an endpoint; a context manager.

    Args:
        url: The endpoint.
        api_code: Added to the query, if given.
        timeout_s: For connecting, for each read, and for the whole body.
        max_body_bytes: Largest body that is read, decompressed.
        feed_clock: ``poll``: the feed's time is the time of day at which the answer is
            there or the poll has failed. ``response_date``: it is the ``Date`` of the
            last good answer, whole seconds.
        clock: Gives the time of day.

    Raises:
        SettingsError: The HTTP client refuses a proxy variable of the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        max_body_bytes: int,
        feed_clock: FeedClockSource,
        clock: Clock,
        api_code: str | None = None,
    ) -> None:
        self._url = httpx.URL(url)
        if api_code is not None:
            self._url = self._url.copy_merge_params({"api_code": api_code})
        self._timeout_s = timeout_s
        self._max_body_bytes = max_body_bytes
        self._feed_clock = feed_clock
        self._clock = clock
        self._date_ms: int | None = None
        self._client = _open_client(timeout_s)

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock) -> Self:
        """Return the source that ``settings`` describe."""
        return cls(
            str(settings.url),
            api_code=settings.api_code.get_secret_value() if settings.api_code else None,
            timeout_s=settings.timeout_s,
            max_body_bytes=settings.max_body_bytes,
            feed_clock=settings.feed_clock,
            clock=clock,
        )

    def __enter__(self) -> Self:
        """Return itself; connections are opened as they are needed."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def name(self) -> str:
        """Host and, unless it is the usual one, port of the endpoint."""
        return self._url.netloc.decode()

    def fetch(self) -> Answer:
        """Request the newest transactions once.

        Raises:
            PollFailedError: There is no usable answer.
        """
        try:
            return self._fetch()
        except _RefusedError as error:
            raise self._failed(error.outcome, str(error), error.retry_after_s) from error
        except httpx.TimeoutException as error:
            raise self._failed("timeout", f"no answer within {self._timeout_s:g} s") from error
        except httpx.DecodingError as error:
            raise self._failed("bad_encoding", f"the body can't be unzipped: {error}") from error
        except httpx.TransportError as error:
            raise self._failed("connection", f"the connection failed: {error}") from error

    def _fetch(self) -> Answer:
        with self._client.stream("GET", self._url) as response:
            if response.status_code != httpx.codes.OK:
                raise _refused_status(response, now_s=self._clock.now())
            body = self._read(response)
        transactions = _transactions(body, response.headers.get("Content-Type", ""))
        fetched_at_ms = self._now_ms()
        if self._feed_clock == "response_date":
            date_s = _http_date_s(response.headers.get("Date", ""))
            if date_s is None:
                raise _RefusedError("no_date", "the answer has no Date, which is the feed's clock")
            self._date_ms = date_s * 1000
        return Answer(
            transactions=transactions,
            feed_time_ms=self._date_ms if self._date_ms is not None else fetched_at_ms,
            fetched_at_ms=fetched_at_ms,
            body_bytes=len(body),
        )

    def _read(self, response: httpx.Response) -> bytes:
        # httpx bounds each read; an answer that trickles must not hold up the polls for ever.
        deadline_s = self._clock.monotonic() + self._timeout_s
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise _RefusedError("too_large", f"the body exceeds {self._max_body_bytes} bytes")
            if self._clock.monotonic() > deadline_s:
                raise _RefusedError("timeout", f"no whole answer within {self._timeout_s:g} s")
        return bytes(body)

    def _failed(
        self, outcome: str, detail: str, retry_after_s: float | None = None
    ) -> PollFailedError:
        feed_time_ms = self._now_ms() if self._feed_clock == "poll" else self._date_ms
        return PollFailedError(
            outcome, detail, feed_time_ms=feed_time_ms, retry_after_s=retry_after_s
        )

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _open_client(timeout_s: float) -> httpx.Client:
    try:
        return httpx.Client(
            timeout=timeout_s,
            headers={
                "User-Agent": f"txfeatures/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
            },
        )
    # A client opens nothing and reads only the proxy variables; it has no error of its own for
    # them: InvalidURL for a host or port, ValueError for a scheme, ImportError for SOCKS.
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        name = _refused_proxy_variable()
        raise SettingsError(
            f"{name} is not a value that the HTTP client accepts ({error}); correct or unset it"
        ) from error


def _refused_proxy_variable() -> str:
    for scheme in ("http", "https", "all"):
        url = getproxies().get(scheme)
        if url is None:
            continue
        try:
            httpx.HTTPTransport(proxy=url if "://" in url else f"http://{url}").close()
        except (httpx.InvalidURL, ValueError, ImportError):
            return f"{scheme.upper()}_PROXY"
    return "NO_PROXY"


def _transactions(body: bytes, content_type: str) -> list[bytes]:
    try:
        return [bytes(element) for element in _body.decode(body).txs]
    except msgspec.ValidationError as error:
        raise _RefusedError("wrong_shape", f"the answer is JSON without txs: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if _HTML.match(body):
            raise _RefusedError("html", f"the answer is a page ({content_type})") from error
        raise _RefusedError("not_json", f"the answer is not JSON: {error}") from error


def _refused_status(response: httpx.Response, *, now_s: float) -> _RefusedError:
    status = response.status_code
    outcome = "http_5xx" if status >= httpx.codes.INTERNAL_SERVER_ERROR else f"http_{status}"
    return _RefusedError(
        outcome,
        f"the source answered with HTTP status {status}",
        retry_after_s=_retry_after_s(response.headers, now_s=now_s),
    )


def _retry_after_s(headers: httpx.Headers, *, now_s: float) -> float | None:
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(LONGEST_RETRY_AFTER_S, float(value))
    until_s = _http_date_s(value)
    if until_s is None:
        return None
    # Both by the server's clock, if the answer has it: ours may be off.
    date_s = _http_date_s(headers.get("Date", ""))
    return min(LONGEST_RETRY_AFTER_S, max(0.0, until_s - (now_s if date_s is None else date_s)))


def _http_date_s(value: str) -> int | None:
    try:
        moment = parsedate_to_datetime(value).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0, int(moment.timestamp()))
