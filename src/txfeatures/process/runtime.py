"""Running a service: stop on a signal, retry what may pass, tell health and metrics.

A signal handler only sets a flag. A step that fails for good ends the process with
a non-zero code; the supervisor starts it again, and nothing that was not
acknowledged has been committed.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics
from txfeatures.process.tracing import OFF, Tracing

Step = Callable[[], None]

FIRST_BACKOFF_S = 0.2
LARGEST_BACKOFF_S = 10.0
GIVE_UP_AFTER_S = 240.0
"""Below Kafka's ``max.poll.interval.ms`` of 300 s: a consumer that waits longer is thrown out."""

log = get_logger(__name__)


@dataclass(slots=True)
class Health:
    """Whether this process is able to do its work.

    Liveness is that it answers at all; readiness is about its own state, never about
    whether AWS is well, or an outage there would restart the fleet.
    """

    _missing: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for(self, what: str) -> None:
        """Say that the process is not ready until ``what`` is there."""
        with self._lock:
            self._missing.add(what)

    def has(self, what: str) -> None:
        """Say that ``what`` is there."""
        with self._lock:
            self._missing.discard(what)

    def missing(self) -> list[str]:
        """Return what the process still waits for; empty when it is ready."""
        with self._lock:
            return sorted(self._missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What a running service shares: the stop flag, its health, metrics, traces and clock."""

    metrics: Metrics
    clock: Clock = field(default_factory=SystemClock)
    stop: threading.Event = field(default_factory=threading.Event)
    health: Health = field(default_factory=Health)
    tracing: Tracing = OFF


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT set ``stop``; call from the main thread."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())


def run(steps: Mapping[str, Step], *, runtime: Runtime) -> int:
    """Call each step again and again, each in a thread of its own, until told to stop.

    Returns:
        The exit code: 0 after a stop, 1 when a step has failed for good.
    """
    failed = threading.Event()

    def loop(name: str, step: Step) -> None:
        try:
            _repeat(name, step, runtime)
        except FatalError as error:
            log.error("step_failed", step=name, error=str(error))
            failed.set()
        except Exception:
            log.exception("step_crashed", step=name)
            failed.set()
        finally:
            runtime.stop.set()  # one loop less is a dead service

    threads = [
        threading.Thread(target=loop, args=item, name=item[0], daemon=True)
        for item in steps.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(timeout=0.2)  # short, so that a signal is handled
    return int(failed.is_set())


def backoff_s(attempt: int) -> float:
    """Return how long to wait after the ``attempt``-th failure in a row, from 1."""
    return min(LARGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(attempt - 1, 16))


def _repeat(name: str, step: Step, runtime: Runtime) -> None:
    attempt, first_failure = 0, 0.0
    while not runtime.stop.is_set():
        try:
            step()
            attempt = 0
        except TransientError as error:
            now = runtime.clock.monotonic()
            first_failure = now if attempt == 0 else first_failure
            attempt += 1
            if now - first_failure > GIVE_UP_AFTER_S:
                raise FatalError(
                    f"gave up after {GIVE_UP_AFTER_S:.0f} s, start again: {error}"
                ) from error
            wait_s = max(backoff_s(attempt), error.retry_after_s or 0.0)
            log.warning("step_retried", step=name, attempt=attempt, wait_s=wait_s, error=str(error))
            runtime.clock.wait(runtime.stop, wait_s)


@contextmanager
def operations_server(host: str, port: int, runtime: Runtime) -> Iterator[int]:
    """Serve ``/metrics``, ``/healthz`` and ``/readyz`` while the context lasts.

    Yields:
        The port, which is chosen by the system if ``port`` is 0.

    Raises:
        FatalError: The port is in use.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = _operations(self.path, runtime)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Probes every few seconds are not news."""

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


def _operations(path: str, runtime: Runtime) -> tuple[HTTPStatus, str, bytes]:
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
