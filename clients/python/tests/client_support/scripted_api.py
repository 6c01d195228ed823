"""An HTTP server that follows the api's contract and fails as a test's script says."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

PROBLEM = "application/problem+json"


def row(minute: int, revision: int = 1, **values: Any) -> dict[str, Any]:
    """Return a row of the minute 2026-01-02 03:``minute``."""
    return {
        "tx_minute": f"2026-01-02 03:{minute:02}:00",
        "total_nb_trx_1min": 10 * minute + revision,
        "total_fee_1min": 1000 * minute,
        "avg_fee_1min": 1.5 * minute,
        "revision": revision,
        "is_final": 0,
        "nb_late_trx_1min": 0,
        "nb_gaps_1min": 0,
        "event_time": 1767323000.5 + 60 * minute + revision,
        **values,
    }


def id_of(values: dict[str, Any]) -> str:
    """Return the id of a row in the stream."""
    return f"{values['tx_minute'].replace(' ', 'T')}Z/{values['revision']}"


def event(values: dict[str, Any]) -> bytes:
    """Return the server-sent event of a row."""
    return f"event: row\nid: {id_of(values)}\ndata: {json.dumps(values)}\n\n".encode()


Answer = tuple[int, dict[str, str], bytes]
Act = Callable[["Handler"], None]


def problem(status: int, detail: str, **headers: str) -> Answer:
    """Return an RFC 9457 problem; ``Retry_After`` names the header ``Retry-After``."""
    body = json.dumps({"type": "about:blank", "status": status, "detail": detail}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"Content-Type": PROBLEM, **named}, body


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: "ScriptedApi"

    def setup(self) -> None:
        super().setup()
        self.api.connections.add(self.connection)

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client left, or the api was stopped
            super().handle()

    def log_message(self, *arguments: Any) -> None:
        """Log nothing; the test has `ScriptedApi.requests`."""

    def do_GET(self) -> None:
        with suppress(ConnectionError, ValueError):  # the client left, or the api was stopped
            self.api.answer(self)

    def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def open_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.send(b"retry: 10\n\n")

    def send(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection, as a crash does."""
        self.close_connection = True
        self.connection.shutdown(SHUT_RDWR)


class ScriptedApi:
    """The api; ``script`` holds answers, or acts on the handler, for the next requests.

    Attributes:
        rows: The rows, oldest first.
        requests: ``(path, query, headers)`` of each request.
        has_v1: False for a release without ``/v1`` and without a stream.
        page: Most rows of a page.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.script: deque[Answer | Act] = deque()
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        self.has_v1 = True
        self.page = 1000
        self.connections: set[socket] = set()
        self._changed = threading.Condition()
        self._is_stopped = False
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def paths(self) -> list[str]:
        return [path for path, _, _ in self.requests]

    def start(self) -> None:
        """Listen, after the first start on the same port."""
        handler = type("Bound", (Handler,), {"api": self})
        self._is_stopped = False
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and break every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)
        self.connections.clear()

    def publish(self, *rows: dict[str, Any]) -> None:
        """Add rows, and send them to every stream."""
        with self._changed:
            self.rows += rows
            self._changed.notify_all()

    def answer(self, handler: Handler) -> None:
        parts = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append((parts.path, query, headers))
        if self.script:
            act = self.script.popleft()
            if callable(act):
                act(handler)
            else:
                handler.reply(*act)
            return
        path = parts.path
        if path.startswith("/v1/") and self.has_v1:
            path = path.removeprefix("/v1")
        if path == "/features/stream" and self.has_v1:
            self.stream(handler, headers.get("last-event-id"))
        else:
            handler.reply(*self._answer(path, query))

    def stream(self, handler: Handler, last: str | None) -> None:
        """Send the rows after ``last``, then each row that is published, until `stop`."""
        handler.open_stream()
        sent = 0
        if last is None:
            sent = max(0, len(self.rows) - 1)
        while True:
            with self._changed:
                while not self._is_stopped and len(self.rows) == sent:
                    self._changed.wait()
                if self._is_stopped:
                    return
                new, sent = self.rows[sent:], len(self.rows)
            for values in new:
                if last is None or id_of(values).rpartition("/")[0] >= last.rpartition("/")[0]:
                    handler.send(event(values))  # also those that the client has: a careless api

    def _answer(self, path: str, query: dict[str, str]) -> Answer:
        match path.split("/")[1:]:
            case ["features", "latest"]:
                wanted = [r for r in self.rows if r["is_final"] or query.get("final") != "true"]
                if wanted:
                    return self._json({**wanted[-1], "staleness_s": 1.5, "as_of": "now"})
                return problem(404, "There is no row yet near the feed's clock; try again.")
            case ["features", "stream"]:
                return problem(422, "'stream' is not a minute since 1970.")
            case ["features", minute]:
                wanted = [r for r in self.rows if id_of(r).startswith(f"{minute}/")]
                if wanted:
                    return self._json(wanted[-1])
                return problem(404, f"The minute {minute} has no row.")
            case ["features"]:
                return self._range(query)
        return problem(404, f"GET {path} is not served here; /docs lists the routes.")

    def _range(self, query: dict[str, str]) -> Answer:
        first, last = query.get("from", ""), query.get("to", "9")
        if "cursor" in query:
            if first or not self.has_v1:
                return problem(422, "cursor takes the place of from and to.")
            first, last = query["cursor"].split("~")
        found = [r for r in self.rows if first <= id_of(r).rpartition("/")[0] <= last]
        following = found[self.page :]
        fields = query["fields"].split(",") if "fields" in query else None
        shown = [{name: r[name] for name in fields} if fields else r for r in found[: self.page]]
        return self._json(
            {
                "rows": shown,
                "next": self._next(following[0], last) if following else None,
                "as_of": "now",
            }
        )

    def _next(self, following: dict[str, Any], last: str) -> str:
        first = id_of(following).rpartition("/")[0]
        return f"{first}~{last}" if self.has_v1 else first

    def _json(self, body: Any) -> Answer:
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


@contextmanager
def scripted_api() -> Iterator[ScriptedApi]:
    """Run a scripted api."""
    api = ScriptedApi()
    try:
        yield api
    finally:
        api.stop()
