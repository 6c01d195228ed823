"""An HTTP/1.1 server for a WSGI application that keeps connections alive.

The server of werkzeug, a dependency of moto, closes the connection after each answer;
a writer that puts a thousand records a second would spend its time on handshakes.
"""

import io
import logging
import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from werkzeug.test import run_wsgi_app

from featurestore_local.errors import DropConnectionError, LocalStoreError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

LOOPBACK = "127.0.0.1"

_JOIN_TIMEOUT_S = 5.0

logger = logging.getLogger(__name__)


class Listener:
    """Serves an application on one port, a thread per connection, until closed.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 chooses a free one.

    Raises:
        LocalStoreError: The port is in use, or this process may not use it.
    """

    def __init__(self, *, host: str, port: int) -> None:
        try:
            self._server = _Server((host, port), _Connection)
        except OSError as error:
            raise LocalStoreError(
                f"The local AWS can't listen on {host}:{port} ({error.strerror}); "
                "stop the program that uses it, or choose another with --port."
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """Return the port that the listener is bound to."""
        return int(self._server.server_address[1])

    def start(self, application: "WSGIApplication") -> None:
        """Serve the application in the background."""
        self._server.application = application
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end all connections and wait for their threads."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    application: "WSGIApplication"

    def __init__(self, address: tuple[str, int], handler: Callable[..., Any]) -> None:
        self._connections: dict[socket.socket, threading.Thread] = {}
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        self._connections.pop(request, None)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection, thread in list(self._connections.items()):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client has closed it already
            thread.join(_JOIN_TIMEOUT_S)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def answer(self) -> None:
        if "Content-Length" not in self.headers and "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(HTTPStatus.LENGTH_REQUIRED, [], b"")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            chunks, status, headers = run_wsgi_app(
                self.server.application, self._environ(body), buffered=True
            )
        except DropConnectionError:
            self.close_connection = True
            return
        except Exception:
            logger.exception("%s %s failed", self.command, self.path)
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, [], b"")
            return
        self._send(int(status.split()[0]), headers.items(), b"".join(chunks))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        logger.debug(format, *args)

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True  # the client has closed it: no error of the server

    def _send(self, status: int, headers: Any, body: bytes) -> None:
        self.send_response_only(status)
        names = set()
        for name, value in headers:
            self.send_header(name, value)
            names.add(name.lower())
        if "content-length" not in names:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _environ(self, body: bytes) -> dict[str, Any]:
        url = urlsplit(self.path)
        strings: dict[str, str] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(url.path, "latin-1"),
            "QUERY_STRING": url.query,
            "RAW_URI": self.path,
            "REMOTE_ADDR": self.client_address[0],
            "SERVER_NAME": str(self.server.server_address[0]),
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
        }
        for name, value in self.headers.items():
            strings.setdefault(f"HTTP_{name.upper().replace('-', '_')}", value)
        return wsgi_environ(strings, body)


def wsgi_environ(strings: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the WSGI environment of a request, given its strings."""
    return {
        **strings,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
