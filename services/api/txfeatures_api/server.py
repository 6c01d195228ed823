"""uvicorn as a step of a service: it answers until the stop flag is set."""

import resource
import socket

import uvicorn
from starlette.types import ASGIApp

from txfeatures.domain.errors import FatalError
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step
from txfeatures_api.connection import BoundedConfig
from txfeatures_api.limits import Limits

BACKLOG = 2_048
GRACE_S = 10
"""For answers still in progress when the time to drain is over."""

OTHER_FILES = 200
"""Open files besides the clients' connections: Kafka, the store, the operations port."""

log = get_logger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; the system chooses the port if it is 0.

    Raises:
        FatalError: The address can't be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise FatalError(
            f"port {port} on {host} can't be used ({error.strerror}); "
            "free it or set another TXF_API_PUBLIC_PORT"
        ) from error
    # Inherited by connections. Without it an answer's body waits 40 ms for the headers'
    # acknowledgement; asyncio only sets it on sockets that name their protocol.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def answer(
    app: ASGIApp, listener: socket.socket, *, limits: Limits, drain_s: float, runtime: Runtime
) -> Step:
    """Return the step that answers on ``listener`` until the stop flag is set.

    It then goes on for ``drain_s``, finishes the requests in progress, and returns.
    """
    _allow_files(limits.connections + OTHER_FILES)
    config = BoundedConfig(
        app,
        limits=limits,
        on_refusal=lambda reason: runtime.metrics.count("refused_total", reason=reason),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )

    def step() -> None:
        _Server(config, drain_s=drain_s, runtime=runtime).run(sockets=[listener])

    return step


def _allow_files(wanted: int) -> None:
    """Raise this process's own limit on open files to ``wanted``, if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("too_few_open_files", allowed=allowed, wanted=wanted)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, drain_s: float, runtime: Runtime) -> None:
        super().__init__(config)
        self._drain_s = drain_s
        self._runtime = runtime
        self._stopped_s: float | None = None

    async def on_tick(self, counter: int) -> bool:
        """Return True to shut down; called ten times a second."""
        if self._runtime.stop.is_set():
            now_s = self._runtime.clock.monotonic()
            if self._stopped_s is None:
                self._stopped_s = now_s
            self.should_exit = now_s - self._stopped_s >= self._drain_s
        return await super().on_tick(counter)
