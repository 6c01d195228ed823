"""A TCP proxy in front of a broker, which cuts, silences in one direction, or delays.

Clients reach a broker only through its proxy, since the broker advertises the proxy's port.
A silenced direction holds its bytes back and keeps the connection, as a firewall that drops
packets does; a cut resets the connections and refuses new ones.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from kafka_local.ports import HOST

Direction = Literal["up", "down"]
"""Up: to the broker. Down: to the client."""

CHUNK_BYTES = 256 * 1024
START_S = 10.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class Effects:
    """What a proxy did to its connections since the last fault began."""

    reset: int = 0
    refused: int = 0
    held: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        return self.reset + self.refused + self.held + self.delayed

    def __str__(self) -> str:
        return (
            f"{self.reset} connections reset, {self.refused} refused, "
            f"{self.held} chunks held back, {self.delayed} delayed"
        )


@dataclass(slots=True)
class _State:
    is_cut: bool = False
    delay_s: float = 0.0
    effects: Effects = field(default_factory=Effects)


class Proxy:
    """Forwards the connections of ``port`` to ``target``."""

    def __init__(self, *, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._state = _State()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows: dict[Direction, asyncio.Event] = {}

    async def serve(self) -> asyncio.Server:
        """Listen; called in the loop that forwards."""
        self._flows = {"up": asyncio.Event(), "down": asyncio.Event()}
        for flow in self._flows.values():
            flow.set()
        return await asyncio.start_server(self._connected, HOST, self.port)

    async def cut(self) -> None:
        """Reset all connections, and refuse new ones, until ``heal``."""
        self._begin().is_cut = True
        for writer in list(self._writers):
            self._state.effects.reset += 1
            _reset(writer)

    async def silence(self, direction: Direction) -> None:
        """Hold back all bytes of one direction until ``heal``."""
        self._begin()
        self._flows[direction].clear()

    async def delay(self, seconds: float) -> None:
        """Forward each chunk only after ``seconds``, until ``heal``."""
        self._begin().delay_s = seconds

    async def heal(self) -> Effects:
        """Forward as before; return what the fault did."""
        self._state.is_cut, self._state.delay_s = False, 0.0
        for flow in self._flows.values():
            flow.set()
        return self._state.effects

    def _begin(self) -> _State:
        self._state.effects = Effects()
        return self._state

    async def _connected(
        self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        if self._state.is_cut:
            self._state.effects.refused += 1
            _reset(client)
            return
        try:
            broker_reader, broker = await asyncio.open_connection(HOST, self._target)
        except OSError:  # the broker is down
            _reset(client)
            return
        self._writers |= {client, broker}
        pumps = [
            asyncio.create_task(self._pump(client_reader, broker, "up")),
            asyncio.create_task(self._pump(broker_reader, client, "down")),
        ]
        try:
            # Kafka's clients have no use for a connection that is open in one direction.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for writer in (client, broker):
                self._writers.discard(writer)
                writer.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        flow = self._flows[direction]
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if not flow.is_set():
                    self._state.effects.held += 1
                    await flow.wait()
                if self._state.delay_s:
                    self._state.effects.delayed += 1
                    await asyncio.sleep(self._state.delay_s)
                writer.write(chunk)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    opened: socket.socket | None = writer.get_extra_info("socket")
    if opened is not None:
        with suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


class Proxies:
    """Proxies that forward in a thread of their own; a context manager."""

    def __init__(self, proxies: list[Proxy]) -> None:
        self.all = proxies
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)

    def __enter__(self) -> "Proxies":
        self._thread.start()
        self._servers = [self._run(proxy.serve()) for proxy in self.all]
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            for server in self._servers:
                server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            for _ in range(2):  # transports close in the loop's next rounds
                await asyncio.sleep(0)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self, proxy: Proxy) -> None:
        self._run(proxy.cut())

    def silence(self, proxy: Proxy, direction: Direction) -> None:
        self._run(proxy.silence(direction))

    def delay(self, proxy: Proxy, seconds: float) -> None:
        self._run(proxy.delay(seconds))

    def heal(self, proxy: Proxy) -> Effects:
        effects: Effects = self._run(proxy.heal())
        return effects

    def _run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result(START_S)
