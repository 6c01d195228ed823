"""The endpoint over HTTP/1.1: keep-alive, gzip if the client accepts it, dated by the feed."""

import contextlib
import gzip
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Iterator
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from txfeatures.archive.recording import Arrival
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock
from txfeatures_local.source import replay_clock
from txfeatures_local.source.endpoint import Endpoint, Status
from txfeatures_local.source.faults import JSON, Answer, Faults
from txfeatures_local.source.feed import VISIBLE
from txfeatures_local.source.listening import taken
from txfeatures_local.source.pushing import PushServer
from txfeatures_local.source.replay_clock import ClockMode

_FEED_PATH = "/unconfirmed-transactions"
_STATUS_PATH = "/_local/status"

_PAGE = Answer(
    status=200,
    content_type="text/html",
    body=b"<!DOCTYPE html><title>Unconfirmed transactions</title>"
    b"<p>Ask with <code>?format=json</code> for the feed.</p>\n",
)
_NOT_FOUND = Answer(
    status=404,
    content_type=JSON,
    body=b'{"error":"not-found-or-invalid-arg","message":"Item not found or argument invalid"}',
)
_STOP_POLL_S = 0.05  # how long closing may take
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 seconds: close sends RST


class SourceServer:
    """Serves arrivals as the live endpoint would; a context manager.

    ``GET /unconfirmed-transactions?format=json`` answers with the newest 100 visible
    transactions, and with the feed's time in its ``Date`` header. ``GET /_local/status``
    answers with a :class:`~txfeatures_local.source.endpoint.Status` as JSON.

    Args:
        arrivals: In order of arrival, from a recording or a simulation. Read in step with
            the feed's clock, first at the first poll.
        clock: Times the feed in mode ``real``.
        clock_mode: ``poll``: each good answer shows one more second of arrivals, the first
            the second of the first arrival, and time goes on after the last.
            ``real``: the feed's time is the first arrival's plus what passed since the
            first poll, times ``speed``.
        speed: Seconds of the feed in one second, for mode ``real``.
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        faults: Decides which polls fail; None for no failures.
        visible: Most transactions in an answer, 100 as the live endpoint.
        push_port: The port of the websocket, which pushes each transaction as it is shown; 0 takes
            a free one, None is for no websocket.
        drop_rate: The share of messages in place of which the websocket is dropped.

    Attributes:
        done: Set when the server can't go on; callers may set it to end a wait.
        failure: The reason why it can't go on; every later poll is answered with 500.

    Raises:
        FatalError: The speed is no positive number; on entering: the port is taken.
    """

    def __init__(
        self,
        arrivals: Iterator[Arrival],
        *,
        clock: Clock,
        clock_mode: ClockMode = ClockMode.POLL,
        speed: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        visible: int = VISIBLE,
        push_port: int | None = None,
        drop_rate: float = 0.0,
    ) -> None:
        replay_clock.check_speed(speed)
        self._endpoint = Endpoint(
            arrivals,
            start_clock=partial(replay_clock.start, clock_mode, clock=clock, speed=speed),
            faults=faults or Faults(),
            visible=visible,
        )
        self._clock = clock
        self._host = host
        self._port = port
        self._pushes = None
        if push_port is not None:
            self._pushes = PushServer(
                self._endpoint, host=host, port=push_port, drop_rate=drop_rate, fail=self._fail
            )
        self._running: tuple[_Listener, threading.Thread] | None = None
        self.done = threading.Event()
        self.failure: FatalError | None = None

    @property
    def url(self) -> str:
        """The address to poll."""
        return f"{self._base_url}{_FEED_PATH}?format=json"

    @property
    def push_url(self) -> str | None:
        """The address of the websocket, if there is one."""
        return self._pushes.url if self._pushes else None

    @property
    def status_url(self) -> str:
        """The address of the status."""
        return f"{self._base_url}{_STATUS_PATH}"

    @property
    def _base_url(self) -> str:
        return f"http://{self._host}:{self._port}"

    def __enter__(self) -> Self:
        """Listen and serve in the background."""
        try:
            listener = _Listener((self._host, self._port), partial(_Handler, self))
        except OSError as error:
            raise taken(self._host, self._port, error) from error
        self._port = listener.server_address[1]
        if self._pushes:
            try:
                self._pushes.__enter__()
            except FatalError:
                listener.server_close()
                raise
        thread = threading.Thread(
            target=listener.serve_forever, args=(_STOP_POLL_S,), name="source"
        )
        thread.start()
        self._running = listener, thread
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop listening and close every connection."""
        if self._pushes:
            self._pushes.__exit__(exc_type, exc, traceback)
        if self._running is not None:
            listener, thread = self._running
            listener.shutdown()
            thread.join()
            listener.server_close()
            self._running = None

    def poll(self) -> tuple[Answer, float | None]:
        """Answer one poll: the answer and the feed's time of it, None if there is none."""
        if self.failure is None:
            try:
                return self._endpoint.poll()
            except FatalError as error:
                self._fail(error)
        return Answer(status=500, content_type="text/plain", body=str(self.failure).encode()), None

    def _fail(self, error: FatalError) -> None:
        self.failure = error
        self.done.set()

    def status(self) -> Status:
        """Return the progress of the feed."""
        return self._endpoint.status()

    def now_s(self) -> float:
        """Return the feed's time, or before the first poll the time of day."""
        feed_time_s = self._endpoint.status().clock
        return self._clock.now() if feed_time_s is None else feed_time_s


class _Listener(socketserver.ThreadingTCPServer):
    """A thread per connection; closing it closes the connections and joins the threads."""

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        self._open.add(request)
        return request, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        # Idle keep-alive connections wait in a read: without this they would be served on.
        for request in tuple(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client may go at any time
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one segment

    def __init__(self, source: SourceServer, *args: Any) -> None:
        self._source = source
        super().__init__(*args)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        feed_time_s: float | None = None
        if url.path == _STATUS_PATH:
            body = msgspec.json.encode(self._source.status())
            answer = Answer(status=200, content_type=JSON, body=body)
        elif url.path != _FEED_PATH:
            answer = _NOT_FOUND
        elif parse_qs(url.query).get("format") != ["json"]:
            answer = _PAGE
        else:
            answer, feed_time_s = self._source.poll()
        self._send(answer, feed_time_s)

    def _send(self, answer: Answer, feed_time_s: float | None) -> None:
        zipped = "gzip" in self.headers.get("Accept-Encoding", "")
        body = gzip.compress(answer.body, compresslevel=1) if zipped else answer.body
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string(feed_time_s))
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Vary", "Accept-Encoding")
        if zipped:
            self.send_header("Content-Encoding", "gzip")
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if answer.reset:
            self.wfile.write(body[: len(body) // 2])
            self._reset()
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # Closed here, before socketserver's orderly shutdown, which would send FIN.
        self.connection.close()
        self.close_connection = True

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the feed's time, also for the answers that http.server makes by itself."""
        return formatdate(self._source.now_s() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Log nothing: one line a second would bury everything else in the demo's log."""
