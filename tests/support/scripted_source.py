"""A source on a loopback port that answers requests with the replies of a test."""

import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer; with ``sent_bytes``, the connection is reset after that many bytes."""

    body: bytes = b'{"txs":[]}'
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    path: str
    headers: Mapping[str, str]


class ScriptedServer:
    """A server that answers with ``replies`` in order, and then repeats the last one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/unconfirmed-transactions?format=json"
        self.host = f"127.0.0.1:{port}"
        self.replies: list[Reply] = [Reply()]
        self.requests: list[Request] = []

    def next_reply(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """Run a server until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            script.requests.append(Request(path=self.path, headers=dict(self.headers.items())))
            reply = script.next_reply()
            self.send_response_only(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: reply.sent_bytes])
            if reply.sent_bytes is not None:
                self.wfile.flush()
                linger = (socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                self.connection.setsockopt(*linger)
                self.connection.close()
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client may disconnect at any time

    listener = Listener(("127.0.0.1", 0), Handler)
    script = ScriptedServer(listener.server_address[1])
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield script
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
