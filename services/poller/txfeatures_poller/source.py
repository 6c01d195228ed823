"""The source over HTTP: the newest transactions, or the reason for no answer."""

import asyncio
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Literal, Self

import httpx
import msgspec

from txfeatures.domain.errors import TransientError
from txfeatures.process.clock import Clock
from txfeatures_poller.client import open_client
from txfeatures_poller.elements import Split, TooManyError, split
from txfeatures_poller.encoding import BodyReader, EncodingError, TooLargeError
from txfeatures_poller.logic import Element, Whole, read
from txfeatures_poller.settings import Settings

FeedClockSource = Literal["poll", "response_date"]

LONGEST_RETRY_AFTER_S = 600.0
"""A source that wants a longer pause is polled again after ten minutes all the same."""

MAX_PIECES = 50_000
"""Of a body as it arrives: 64 MiB make 48,000 network packets; each costs 20 us, however small."""

_HTML = re.compile(rb"\s*<")


class _Object(msgspec.Struct):
    """Any JSON object; its members are checked and not kept."""


_object = msgspec.json.Decoder(_Object)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A good answer.

    Attributes:
        source: Host that answered.
        transactions: The elements of ``txs``, each the bytes the source sent, unread.
        feed_time_ms: The feed's time, epoch milliseconds, unchecked.
        fetched_at_ms: Time of day at which the whole answer was there, epoch milliseconds.
        whole: The body, decompressed.
        other_clock_ms: The clock that is not the feed's at the answer, of the machine's and the
            source's, epoch milliseconds; None if the source gave no ``Date``.
    """

    source: str
    transactions: Sequence[bytes]
    feed_time_ms: int
    fetched_at_ms: int
    whole: Whole
    other_clock_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Transactions that a source sent unasked.

    Attributes:
        answer: They, as if a poll had shown them.
        poll_after_s: The next poll is due after so many seconds.
    """

    answer: Answer
    poll_after_s: float


class PollFailedError(TransientError):
    """The source gave no answer that can be used.

    Attributes:
        outcome: Short, fixed, snake_case: goes into a metric label and the heartbeat.
            ``http_429``, ``http_5xx``, ``http_<status>``, ``html``, ``not_json``,
            ``wrong_shape``, ``too_large``, ``too_many``, ``bad_encoding``, ``no_date``,
            ``clock_jump``, ``timeout`` or ``connection``.
        feed_time_ms: The feed's time of the poll; None if only an answer has it.
        retry_after_s: The pause that the source wants, ten minutes at most; None for none.
        letter: The dead letter that the answer becomes, None if it becomes none.
    """

    def __init__(
        self,
        outcome: str,
        detail: str,
        *,
        feed_time_ms: int | None,
        retry_after_s: float | None = None,
        letter: Element | None = None,
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.outcome = outcome
        self.feed_time_ms = feed_time_ms
        self.letter = letter


class _RefusedError(Exception):
    """The refusal of an answer, before the feed's time is added."""

    def __init__(
        self,
        outcome: str,
        detail: str,
        *,
        retry_after_s: float | None = None,
        letter: Element | None = None,
    ) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.retry_after_s = retry_after_s
        self.letter = letter


class HttpSource:
    """Requests the newest transactions of an endpoint; a context manager.

    A poll runs in an event loop of its own, since a coroutine can be cancelled wherever it
    waits: for the host's name, a connection, TLS, a header, a byte of the body.

    Args:
        url: The endpoint.
        api_code: Added to the query, if given.
        timeout_s: For the whole poll.
        max_body_bytes: Largest body that is read, decompressed.
        max_elements: Most elements of an answer.
        feed_clock: ``poll``: the feed's time is the time of day at which the answer is
            there or the poll has failed. ``response_date``: it is the ``Date`` of the
            answer, whole seconds.
        clock: Gives the time of day.

    Raises:
        SettingsError: The HTTP client refuses a variable of the environment.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        max_body_bytes: int,
        feed_clock: FeedClockSource,
        clock: Clock,
        max_elements: int = 10_000,
        api_code: str | None = None,
    ) -> None:
        self._url = httpx.URL(url)
        if api_code is not None:
            self._url = self._url.copy_merge_params({"api_code": api_code})
        self._timeout_s = timeout_s
        self._max_body_bytes = max_body_bytes
        self._max_elements = max_elements
        self._feed_clock = feed_clock
        self._clock = clock
        self._client = open_client(timeout_s)

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock) -> Self:
        """Return the source that ``settings`` describe."""
        return cls(
            str(settings.url),
            api_code=settings.api_code.get_secret_value() if settings.api_code else None,
            timeout_s=settings.timeout_s,
            max_body_bytes=settings.max_body_bytes,
            max_elements=settings.max_elements,
            feed_clock=settings.feed_clock,
            clock=clock,
        )

    def __enter__(self) -> Self:
        """Open the event loop; connections are opened as they are needed."""
        self._loop = asyncio.new_event_loop()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections; a look-up of a name that never ends is not waited for."""
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()

    @property
    def name(self) -> str:
        """Host and, unless it is the usual one, port of the endpoint."""
        return self._url.netloc.decode()

    def wait(self, stop: threading.Event, timeout_s: float) -> Push | None:
        """Wait ``timeout_s``, or until ``stop`` is set; this source pushes nothing."""
        self._clock.wait(stop, timeout_s)
        return None

    def fetch(self) -> Answer:
        """Request the newest transactions once.

        Raises:
            PollFailedError: There is no usable answer.
        """
        try:
            return self._answer(*self._loop.run_until_complete(self._request()))
        except _RefusedError as error:
            raise PollFailedError(
                error.outcome,
                str(error),
                feed_time_ms=self._now_ms() if self._feed_clock == "poll" else None,
                retry_after_s=error.retry_after_s,
                letter=error.letter,
            ) from error

    async def _request(self) -> tuple[bytearray, httpx.Headers]:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("GET", self._url) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise _refused_status(response, now_s=self._clock.now())
                return await self._read(response), response.headers
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _RefusedError("timeout", f"no answer within {self._timeout_s:g} s") from error
        except EncodingError as error:
            raise _RefusedError("bad_encoding", str(error)) from error
        except TooLargeError as error:
            raise _RefusedError("too_large", str(error)) from error
        except httpx.TransportError as error:
            raise _RefusedError("connection", f"the connection failed: {error}") from error

    async def _read(self, response: httpx.Response) -> bytearray:
        encoding = response.headers.get("Content-Encoding", "")
        reader = BodyReader(encoding, max_bytes=self._max_body_bytes)
        pieces = 0
        async for piece in response.aiter_raw():
            pieces += 1
            if pieces > MAX_PIECES:
                raise TooLargeError(f"the body comes in more than {MAX_PIECES} pieces")
            reader.feed(piece)
        return reader.finish()

    def _answer(self, body: bytearray, headers: httpx.Headers) -> Answer:
        transactions = _transactions(
            body, headers.get("Content-Type", ""), max_elements=self._max_elements
        )
        now_ms, date_s = self._now_ms(), _http_date_s(headers.get("Date", ""))
        date_ms = None if date_s is None else date_s * 1000
        feed_time_ms, other_clock_ms = now_ms, date_ms
        if self._feed_clock == "response_date":
            if date_ms is None:
                raise _RefusedError("no_date", "the answer has no Date, which is the feed's clock")
            feed_time_ms, other_clock_ms = date_ms, now_ms
        return Answer(
            source=self.name,
            transactions=transactions,
            feed_time_ms=feed_time_ms,
            fetched_at_ms=now_ms,
            whole=Whole.of(body),
            other_clock_ms=other_clock_ms,
        )

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _transactions(body: bytearray, content_type: str, *, max_elements: int) -> list[bytes]:
    try:
        found = split(body, max_elements=max_elements)
    except TooManyError as error:
        letter = Whole.of(body).refused("too_many", str(error))
        raise _RefusedError("too_many", str(error), letter=letter) from error
    if found.elements is not None and (found.is_whole or _has_transaction(found)):
        return found.elements
    if _HTML.match(body):
        raise _RefusedError("html", f"the answer is a page ({content_type})")
    try:
        _object.decode(body)
    except msgspec.ValidationError as error:
        raise _RefusedError("wrong_shape", f"the answer is no JSON object: {error}") from error
    except (ValueError, RecursionError) as error:
        raise _RefusedError("not_json", f"the answer is not JSON: {error}") from error
    raise _RefusedError("wrong_shape", "the answer is JSON without a list txs")


def _has_transaction(found: Split) -> bool:
    """Return whether a body that is not whole is of use; one that was cut short may not be."""
    return any(read(element).error is None for element in found.elements or ())


def _refused_status(response: httpx.Response, *, now_s: float) -> _RefusedError:
    status = response.status_code
    outcome = "http_5xx" if status >= httpx.codes.INTERNAL_SERVER_ERROR else f"http_{status}"
    return _RefusedError(
        outcome,
        f"the source answered with HTTP status {status}",
        retry_after_s=retry_after_s(response.headers, now_s=now_s),
    )


def retry_after_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """Return the pause that an answer's headers demand, ten minutes at most; None for none."""
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
