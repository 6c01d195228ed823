"""Answers of a source that is broken or hostile, byte for byte over a socket."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Play = Callable[[socket.socket, threading.Event], None]
"""Sends one answer; the event is set when the test is over."""

Greeting = Callable[[bytes], bytes]
"""Returns what is sent before it, given the request."""

LINE = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def hostile_server(play: Play, greeting: Greeting = lambda _: b"") -> Iterator[str]:
    """Answer each connection's request by ``play`` until the context ends; yield the URL."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(greeting(connection.recv(65_536)))
            play(connection, over)

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threads.append(threading.Thread(target=answer, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        server = threading.Thread(target=serve)
        server.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            over.set()
            for thread in (server, *threads):
                thread.join()


def whole(body: bytes, *headers: str, length: int | None = None) -> Play:
    """Return an answer with ``body``, complete but for what ``length`` claims."""
    lines = [*headers, f"Content-Length: {len(body) if length is None else length}"]
    head = LINE + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
    return lambda connection, _: connection.sendall(head + body)


def zipped(body: Callable[[], bytes], *, times: int = 1, encoding: str = "gzip") -> Play:
    """Return an answer with ``body`` in layers of gzip."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        packed = body()
        for _ in range(times):
            packed = gzip.compress(packed, compresslevel=1)
        whole(packed, f"Content-Encoding: {encoding}")(connection, over)

    return play


def bomb(unit: bytes, count: int, *, before: bytes = b"", after: bytes = b"") -> Play:
    """Return an answer of few bytes that inflates to ``count`` times ``unit``."""
    return zipped(lambda: before + unit * count + after)


def endless(*, start: bytes, unit: bytes, pause_s: float = 0.0) -> Play:
    """Return an answer that never ends: ``start``, then ``unit`` again and again."""

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(start)
        while not over.wait(pause_s):
            connection.sendall(unit)

    return play


def silent(connection: socket.socket, over: threading.Event) -> None:
    """Send nothing."""
    over.wait()
