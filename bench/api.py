"""Speed of the api: the hot route beside a bare one, an open loop, streams, and ranges."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from http import HTTPStatus
from statistics import median, quantiles
from typing import IO

from bench.state import Measured
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock

LATEST = "/v1/features/latest"
CONNECTIONS = 16
REQUESTS = 4_000
TURNS = 5
RATE_PER_S = 500
OPEN_LOOP_S = 8
STREAMS = 1_000
PUTS = 8
RANGES = 300
RANGES_AT_ONCE = 8
NOW_S = 1_729_334_940
READY_S = 0.2


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> "_Connection":
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=2**21))

    async def get(self, path: str) -> tuple[int, bytes]:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head[9:12]), await self._reader.readexactly(length)

    async def follow(self) -> asyncio.StreamReader:
        self._writer.write(b"GET /v1/features/stream HTTP/1.1\r\nHost: api\r\n\r\n")
        await self._reader.readuntil(b"id: ")
        return self._reader

    def close(self) -> None:
        self._writer.close()


class _Server:
    def __init__(self, commands: IO[str], answers: IO[str]) -> None:
        self._commands, self._answers = commands, answers
        _, self.port, self.bare_port = self._read()

    def _read(self) -> tuple[str, int, int]:
        word, first, second = self.line()
        return word, int(first), int(second)

    def line(self) -> list[str]:
        return self._answers.readline().split()

    def send(self, command: str) -> None:
        self._commands.write(f"{command}\n")
        self._commands.flush()

    def reads(self) -> tuple[int, int]:
        """Return the reads that ranges caused, and those of the newest minutes."""
        self.send("reads")
        _, blocks, others = self.line()
        return int(blocks), int(others)


def measure_api(*, clock: Clock, say: Callable[[str], None]) -> list[Measured]:
    """Measure the api on a core of its own; this process's clients have the other one."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.api_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise FatalError("the process of the api has no pipes")
        with process.stdin as commands:
            server = _Server(commands, process.stdout)
            figures = asyncio.run(_measure(server, clock, say))
    return [
        Measured(stage="api", what=what, value=value, unit=unit) for what, value, unit in figures
    ]


Figure = tuple[str, float, str]


async def _measure(server: _Server, clock: Clock, say: Callable[[str], None]) -> list[Figure]:
    first = await _Connection.open(server.port)
    while (answer := await first.get(LATEST))[0] != 200:
        await asyncio.sleep(READY_S)
    server.send(f"bare {answer[1].hex()}")
    server.line()
    say("api: latest beside a bare route")
    figures = await _compare(server, clock)
    say(f"api: {RATE_PER_S} requests a second")
    quiet = await _open_loop(server.port, clock)
    figures.append((f"p99 of latest at {RATE_PER_S} requests/s", _p99(quiet) * 1000, "ms"))
    say(f"api: {RANGES} ranges")
    figures += await _ranges(server, clock, quiet)
    say(f"api: {STREAMS:,} streams")
    figures += await _streams(server, clock)
    first.close()
    return figures


async def _compare(server: _Server, clock: Clock) -> list[Figure]:
    speeds: dict[str, list[float]] = {"/bare": [], LATEST: []}
    for _ in range(TURNS):
        for path, port in (("/bare", server.bare_port), (LATEST, server.port)):
            connections = [await _Connection.open(port) for _ in range(CONNECTIONS)]

            async def load(connection: _Connection, path: str = path) -> None:
                for _ in range(REQUESTS // CONNECTIONS):
                    await connection.get(path)

            started_s = clock.monotonic()
            await asyncio.gather(*map(load, connections))
            speeds[path].append(REQUESTS / (clock.monotonic() - started_s))
            for connection in connections:
                connection.close()
    bare, latest = median(speeds["/bare"]), median(speeds[LATEST])
    return [
        ("a bare FastAPI route with the same bytes", bare, "requests/s"),
        ("latest", latest, "requests/s"),
        ("latest / bare route", latest / bare, "ratio"),
    ]


async def _open_loop(port: int, clock: Clock, until: asyncio.Event | None = None) -> list[float]:
    """Send requests at a fixed rate whatever the answers; return seconds from the due time."""
    free: asyncio.Queue[_Connection] = asyncio.Queue()
    connections = [await _Connection.open(port) for _ in range(64)]
    for connection in connections:
        free.put_nowait(connection)
    taken: list[float] = []

    async def one(due_s: float) -> None:
        connection = await free.get()
        await connection.get(LATEST)
        taken.append(clock.monotonic() - due_s)
        free.put_nowait(connection)

    start_s = clock.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(RATE_PER_S * OPEN_LOOP_S):
            if until is not None and until.is_set():
                break
            due_s = start_s + number / RATE_PER_S
            if (wait_s := due_s - clock.monotonic()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(one(due_s))
    for connection in connections:
        connection.close()
    return taken


async def _ranges(server: _Server, clock: Clock, quiet: list[float]) -> list[Figure]:
    done = asyncio.Event()
    blocks_before, others_before = server.reads()
    started_s = clock.monotonic()
    numbers = iter(range(RANGES))
    refused: list[bool] = []

    async def client() -> None:
        connection = await _Connection.open(server.port)
        for number in numbers:
            path = f"/v1/features?limit=1000&to={NOW_S - 60 * number}"
            status, _ = await connection.get(path)
            refused.append(status != HTTPStatus.OK)
        connection.close()

    async def clients() -> None:
        await asyncio.gather(*(client() for _ in range(RANGES_AT_ONCE)))
        done.set()

    loaded, _ = await asyncio.gather(_open_loop(server.port, clock, done), clients())
    taken_s = clock.monotonic() - started_s
    blocks, others = server.reads()
    return [
        (f"{RANGES} ranges of 1,000 minutes", taken_s, "s"),
        ("reads of the store for them", blocks - blocks_before, "reads"),
        ("reads of the newest minutes in that time", others - others_before, "reads"),
        ("refused ranges", sum(refused), "ranges"),
        ("p99 of latest in that time", _p99(loaded) * 1000, "ms"),
        ("p99 of latest in that time / quiet", _p99(loaded) / _p99(quiet), "ratio"),
    ]


async def _streams(server: _Server, clock: Clock) -> list[Figure]:
    connections: list[_Connection] = []
    readers: list[asyncio.StreamReader] = []
    for _ in range(STREAMS):  # each sends at once: the server waits ten seconds for a request
        connections.append(await _Connection.open(server.port))
        readers.append(await connections[-1].follow())
    delays: list[float] = []
    for revision in range(2, 2 + PUTS):
        mark = f"Z/{revision}\n".encode()

        async def received(reader: asyncio.StreamReader, mark: bytes = mark) -> float:
            await reader.readuntil(mark)
            return clock.monotonic()

        server.send(f"put {revision}")
        times = await asyncio.gather(*map(received, readers))
        arrived_s = float(server.line()[2])
        delays += [time - arrived_s for time in times]
    for connection in connections:
        connection.close()
    return [(f"p99 from a row's arrival to {STREAMS:,} streams", _p99(delays) * 1000, "ms")]


def _p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[-1]
