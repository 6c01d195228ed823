"""A subscription to a websocket that pushes transactions, made again when it ends.

It makes progress only while its caller waits in ``receive``: there is no task that reads ahead. So
what is not received yet waits in the network, and the server is slowed down by it. Nothing that a
server sends, or fails to send, raises an error here.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import Frame
from websockets.protocol import Event, State

from txfeatures import __version__
from txfeatures.process.clock import Clock
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics
from txfeatures_poller.pace import Limits
from txfeatures_poller.pushed import transaction
from txfeatures_poller.source import retry_after_s

REQUEST = '{"op":"unconfirmed_sub"}'

MAX_FRAMES = 10_000
"""Frames that a server may send without a transaction among them: 55 hours of keepalive pings. A
transaction that takes more than 4,096 of them is refused by the library."""

MAX_SILENCE_S = 120.0
"""Without a transaction for so long, the subscription is made again. The longest pause in the
recordings is 69 s, and a connection whose subscription was lost looks the same."""

KEEPALIVE_S = 20.0
"""Between two pings, and for the answer to one: a dead connection is noticed within 40 s."""

_CLOSE_S = 1.0
"""For a server to close its end of a connection that broke the rules."""

_PIECE_BYTES = 16 * 1024
"""Read at a time: what has arrived may be a hundred thousand frames, which take seconds."""

_QUEUE = 2
"""Frames read ahead, of which each may be as large as a message may be."""

log = get_logger(__name__)
_quiet = logging.getLogger(f"{__name__}.websockets")
_quiet.disabled = True  # the ends of connections are logged here, once and in one sentence


class _Connection(ClientConnection):
    """A connection that ends when it is sent too many frames without a transaction."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.frames = 0
        self.is_flooded = False

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), _PIECE_BYTES):
            if self.is_flooded:
                return
            super().data_received(data[at : at + _PIECE_BYTES])

    def process_event(self, event: Event) -> None:
        super().process_event(event)
        if isinstance(event, Frame):
            self.frames += 1
            if self.frames > MAX_FRAMES:
                self.is_flooded = True
                self.transport.abort()


class _connect(connect):  # noqa: N801 - as its base
    """Opens a connection; a redirect is an answer like any other that is no upgrade."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Subscription:
    """The transactions that a websocket pushes.

    Args:
        url: The websocket.
        timeout_s: For the opening of a connection.
        max_message_bytes: Largest message; a larger one ends the connection.
        limits: The waits between two tries.
        clock: Times them.
        metrics: Where to count.
        random: Returns a number from 0 to 1, for the jitter.

    Attributes:
        number: Number of the connection, from 1; 0 before the first.
        has_pushed: This connection has pushed a transaction.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        max_message_bytes: int,
        limits: Limits,
        clock: Clock,
        metrics: Metrics,
        random: Callable[[], float],
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._max_message_bytes = max_message_bytes
        self._limits = limits
        self._clock = clock
        self._metrics = metrics
        self._random = random
        self._opening: asyncio.Task[_Connection] | None = None
        self._connection: _Connection | None = None
        self._failures = 0
        self._due_s = clock.monotonic()
        self._received_s = 0.0
        self._reason: str | None = None
        self.number = 0
        self.has_pushed = False
        metrics.set("websocket_connected", 0)

    async def receive(self, timeout_s: float) -> bytes | None:
        """Return the next transaction, or None if there was none within ``timeout_s``.

        A connection is opened where there is none and one is due.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    connection = self._connection or await self._open()
                    found = transaction(await connection.recv(decode=False))
                    if found is not None:
                        self._has_received(connection)
                        return found
        except TimeoutError:
            if self._connection is None:
                return None
            if self._connection.state is not State.OPEN:  # the server does not close its end
                await self._end("closed", "the connection is closing")
            elif self._clock.monotonic() - self._received_s > MAX_SILENCE_S:
                await self._end("silent", f"no transaction in {MAX_SILENCE_S:.0f} s")
        except ConnectionClosed as error:  # also while it is still asked to push
            is_flooded = self._connection is not None and self._connection.is_flooded
            await self._end("flood" if is_flooded else "closed", str(error))
        return None

    async def close(self) -> None:
        """End the connection, and everything that still runs in the event loop."""
        if self._opening is not None:
            self._opening.cancel()
            [opened] = await asyncio.gather(self._opening, return_exceptions=True)
            if isinstance(opened, _Connection):
                opened.transport.abort()
        await self._drop()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)  # closes what was aborted

    async def _open(self) -> _Connection:
        """Return a connection as soon as one is open; it is cancelled where it waits."""
        while True:
            if self._opening is None:
                await asyncio.sleep(self._due_s - self._clock.monotonic())
                self._opening = asyncio.get_running_loop().create_task(self._connect())
            await asyncio.wait([self._opening])
            opening, self._opening = self._opening, None
            try:
                connection = opening.result()
            except InvalidStatus as error:
                headers = error.response.headers
                pause_s = retry_after_s(headers, now_s=self._clock.now())
                await self._end("refused", str(error), pause_s=pause_s)
            except TimeoutError as error:
                await self._end("timeout", str(error))
            # ValueError: a name or a proxy that can't be one; ImportError: SOCKS isn't installed.
            except (OSError, WebSocketException, ValueError, ImportError) as error:
                await self._end("connection", f"the connection failed: {error}")
            else:
                self._connection = connection
                self._received_s = self._clock.monotonic()
                self.number += 1
                self.has_pushed = False
                self._metrics.set("websocket_connected", 1)
                await connection.send(REQUEST)
                return connection

    async def _connect(self) -> _Connection:
        connection = await _connect(
            self._url,
            create_connection=_Connection,
            compression=None,  # a bomb can't be sent without it
            user_agent_header=f"txfeatures/{__version__}",
            open_timeout=self._timeout_s,
            close_timeout=_CLOSE_S,
            ping_interval=KEEPALIVE_S,
            ping_timeout=KEEPALIVE_S,
            max_size=self._max_message_bytes,
            max_queue=_QUEUE,
            logger=_quiet,
        )
        return cast("_Connection", connection)

    def _has_received(self, connection: _Connection) -> None:
        connection.frames = 0
        self._received_s = self._clock.monotonic()
        if not self.has_pushed:
            self.has_pushed = True
            self._failures = 0
            if self._reason is not None:
                log.info("websocket_recovered", after=self._reason)
            self._reason = None

    async def _end(self, reason: str, detail: str, *, pause_s: float | None = None) -> None:
        """End the connection, or the attempt at one, and note when the next is due."""
        await self._drop()
        self._failures += 1
        wait_s = self._limits.backoff_s(failures=self._failures, draw=self._random())
        self._due_s = self._clock.monotonic() + max(wait_s, pause_s or 0.0)
        self._metrics.count("websocket_ends_total", reason=reason)
        if reason != self._reason:
            log.warning("websocket_ended", reason=reason, error=detail)
        self._reason = reason

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._metrics.set("websocket_connected", 0)
        if connection is not None:
            connection.transport.abort()  # a server that does not close is not waited for
            await connection.wait_closed()
