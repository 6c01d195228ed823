"""The stream of rows: each client has a mailbox that the step which reads the store fills."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from txfeatures_api.logic import Fields
from txfeatures_api.mailbox import Mailbox
from txfeatures_api.served import ServedRow

HEARTBEAT_S = 15.0
HEARTBEAT = b": heartbeat\n\n"
RETRY = b"retry: 2000\n\n"


class Client:
    """A client of the stream; for one event loop."""

    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.wake = asyncio.Event()


class Hub:
    """Hands new rows to the clients of the stream.

    Args:
        most: Most clients at the same time.
        most_per_host: Most of one address.
        on_dropped: Called with the number of rows that clients were too slow for.
    """

    def __init__(
        self, *, most: int, most_per_host: int, on_dropped: Callable[[int], None] = lambda _: None
    ) -> None:
        self._most = most
        self._most_per_host = most_per_host
        self._on_dropped = on_dropped
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._clients: set[Client] = set()
        self._hosts: Counter[str] = Counter()
        self.is_closed = False

    def refusal(self, host: str) -> tuple[HTTPStatus, str] | None:
        """Return status and sentence for an address that gets no further stream; else None."""
        if self._hosts[host] >= self._most_per_host:
            return HTTPStatus.TOO_MANY_REQUESTS, (
                f"{self._most_per_host} streams of one address are open; close one, "
                "or set a higher TXF_API_STREAMS_PER_CLIENT."
            )
        if len(self._clients) >= self._most:
            return HTTPStatus.SERVICE_UNAVAILABLE, f"All {self._most} streams are taken; try again."
        return None

    @contextmanager
    def client(self, host: str) -> Iterator[Client]:
        """Add a client while the context lasts."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        client = Client()
        self._clients.add(client)
        self._hosts[host] += 1
        try:
            yield client
        finally:
            self._clients.discard(client)
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]

    def publish(self, rows: Sequence[ServedRow]) -> None:
        """Hand rows to all clients; callable from any thread."""
        self._call(self._deliver, rows)

    def close(self) -> None:
        """End all streams, and each that begins; callable from any thread."""
        self.is_closed = True
        self._call(self._deliver, ())

    def _call(self, call: Callable[[Sequence[ServedRow]], None], rows: Sequence[ServedRow]) -> None:
        with self._lock:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(call, rows)

    def _deliver(self, rows: Sequence[ServedRow]) -> None:
        dropped = 0
        for client in self._clients:
            dropped += client.mailbox.put(rows)
            client.wake.set()
        if dropped:
            self._on_dropped(dropped)


async def events(
    hub: Hub,
    client: Client,
    first: Sequence[ServedRow],
    *,
    fields: Fields,
    now_ms: Callable[[], int],
) -> AsyncIterator[bytes]:
    """Yield the bytes of a client's stream: the rows of ``first``, then those that come."""
    client.mailbox.put(first)
    yield RETRY
    while True:
        if rows := client.mailbox.take():
            feed_time_ms = now_ms()
            yield b"".join([row.event(feed_time_ms, fields) for row in rows])
        if hub.is_closed:
            return
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await client.wake.wait()
        except TimeoutError:
            yield HEARTBEAT
        client.wake.clear()
