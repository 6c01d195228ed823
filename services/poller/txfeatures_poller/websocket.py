"""The source over a websocket: transactions as the server pushes them, with polls as the check.

A server that pushes may drop some, or all in silence, and a client can't tell silence from a quiet
network. So polls go on: one is due when nothing was pushed for an interval, after the first push
of each connection, and else every ``websocket_check_s``. What any of them shows is published,
whatever the websocket does; pushes are only sooner.
"""

import asyncio
import math
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from txfeatures.process.clock import Clock
from txfeatures_poller.logic import Whole
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import Answer, HttpSource, Push
from txfeatures_poller.subscription import Subscription

LOOK_S = 0.1
"""Between two looks at ``stop``."""

MAX_GATHERED_BYTES = 8 * 1024 * 1024
"""Pushes are no longer gathered when they are this large."""


class WebsocketSource:
    """Polls an endpoint over HTTP and passes on what a websocket pushes; a context manager.

    Args:
        subscription: The websocket.
        http: The endpoint that is polled.
        settings: Their ``feed_clock`` gives the feed's time of a push: ``poll``, the time of day;
            ``response_date``, that of the last poll, and nothing is received before the first.
        clock: Gives the time of day.
    """

    def __init__(
        self, subscription: Subscription, http: HttpSource, *, settings: Settings, clock: Clock
    ) -> None:
        self._subscription = subscription
        self._http = http
        self._settings = settings
        self._host = urlsplit(str(settings.websocket_url)).netloc
        self._clock = clock
        self._polled_s = clock.monotonic()
        self._passed_on_s = -math.inf  # by the event loop's clock
        self._checked_number = 0
        self._date_ms: int | None = None

    def __enter__(self) -> Self:
        """Open the event loop; connections are opened as they are needed."""
        self._loop = asyncio.new_event_loop()
        self._http.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._http.__exit__(exc_type, exc, traceback)
        self._loop.run_until_complete(self._subscription.close())
        self._loop.close()

    @property
    def name(self) -> str:
        """Host and, unless it is the usual one, port of the endpoint that is polled."""
        return self._http.name

    def wait(self, stop: threading.Event, timeout_s: float) -> Push | None:
        """Wait for what is pushed; None if nothing was by ``timeout_s``, or if ``stop`` is set."""
        return self._loop.run_until_complete(self._wait(stop, timeout_s))

    def fetch(self) -> Answer:
        """Request the newest transactions once.

        Raises:
            PollFailedError: There is no usable answer.
        """
        self._polled_s = self._clock.monotonic()
        answer = self._http.fetch()
        self._date_ms = answer.feed_time_ms
        if self._subscription.has_pushed:
            self._checked_number = self._subscription.number
        return answer

    async def _wait(self, stop: threading.Event, timeout_s: float) -> Push | None:
        end_s = self._loop.time() + timeout_s
        while not stop.is_set():
            left_s = max(0.0, end_s - self._loop.time())
            first = await self._receive(min(left_s, LOOK_S))
            if first is not None:
                now_ms = int(self._clock.now() * 1000)
                return self._push(await self._gather(first), now_ms)
            if not left_s:
                break
        return None

    async def _receive(self, timeout_s: float) -> bytes | None:
        if self._settings.feed_clock == "response_date" and self._date_ms is None:
            await asyncio.sleep(timeout_s)
            return None
        return await self._subscription.receive(timeout_s)

    async def _gather(self, first: bytes) -> list[bytes]:
        """Return the transactions that are there, and if the last ones went just now, the next."""
        gathered, size_bytes = [first], len(first)
        due_s = self._passed_on_s + self._settings.websocket_gather_s
        while len(gathered) < self._settings.max_elements and size_bytes < MAX_GATHERED_BYTES:
            left_s = max(0.0, due_s - self._loop.time())
            found = await self._subscription.receive(left_s)
            if found is not None:
                gathered.append(found)
                size_bytes += len(found)
            elif not left_s:
                break
        self._passed_on_s = self._loop.time()
        return gathered

    def _push(self, transactions: list[bytes], now_ms: int) -> Push:
        date_ms = self._date_ms if self._settings.feed_clock == "response_date" else None
        answer = Answer(
            source=self._host,
            transactions=transactions,
            feed_time_ms=now_ms if date_ms is None else date_ms,
            fetched_at_ms=now_ms,
            whole=Whole.of(b"".join(transactions)),
            other_clock_ms=None if date_ms is None else now_ms,
        )
        return Push(answer=answer, poll_after_s=self._poll_after_s())

    def _poll_after_s(self) -> float:
        if self._checked_number != self._subscription.number:
            return 0.0  # what came while there was no connection is shown by a poll alone
        next_check_s = self._polled_s + self._settings.websocket_check_s - self._clock.monotonic()
        return max(0.0, min(self._settings.interval_s, next_check_s))
