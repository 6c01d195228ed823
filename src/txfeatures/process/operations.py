"""The operations endpoints of a process: ``/metrics``, ``/healthz`` and ``/readyz``."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from txfeatures.domain.errors import FatalError
from txfeatures.process.runtime import Runtime


@contextmanager
def operations_server(host: str, port: int, runtime: Runtime) -> Iterator[int]:
    """Serve the operations endpoints while the context lasts.

    Yields:
        The port, which is chosen by the system if ``port`` is 0.

    Raises:
        FatalError: The port is in use.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.wfile.write(self._send_head())

        def do_HEAD(self) -> None:
            self._send_head()

        def _send_head(self) -> bytes:
            """Send status and headers; return the body."""
            status, kind, body = _answer(self.path, runtime)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return body

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing: probes come every few seconds."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise FatalError(
            f"port {port} on {host} can't be used ({error.strerror}); "
            "free it or set another TXF_<SERVICE>_HTTP_PORT"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="operations", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(path: str, runtime: Runtime) -> tuple[HTTPStatus, str, bytes]:
    match path.partition("?")[0]:
        case "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(runtime.metrics.registry)
        case "/healthz":
            return HTTPStatus.OK, "text/plain", b"ok\n"
        case "/readyz":
            missing = ["stopping"] if runtime.stop.is_set() else runtime.health.missing()
            if missing:
                body = f"waiting for {', '.join(missing)}\n".encode()
                return HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", body
            return HTTPStatus.OK, "text/plain", b"ready\n"
        case _:
            return HTTPStatus.NOT_FOUND, "text/plain", b"not found\n"
