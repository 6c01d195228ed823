"""A public port as the api opens it, over an application of the tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp

from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_api.main import limits, protected
from txfeatures_api.server import answer, listen
from txfeatures_api.settings import Settings

PATIENCE_S = 60


class PublicPort:
    """The address of a public port, and raw connections to it."""

    def __init__(self, address: tuple[str, int], runtime: Runtime) -> None:
        self.address = address
        self.url = f"http://{address[0]}:{address[1]}"
        self.runtime = runtime

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=PATIENCE_S)

    def send(self, data: bytes) -> bytes:
        """Send bytes on a connection of its own; return all that comes back until its end."""
        with self.connect() as client:
            client.sendall(data)
            return read_to_end(client)

    def refused(self, reason: str) -> float:
        labels = {"reason": reason}
        return (
            self.runtime.metrics.registry.get_sample_value("txf_api_refused_total", labels) or 0.0
        )


def read_to_end(client: socket.socket) -> bytes:
    received = b""
    while part := client.recv(65_536):
        received += part
    return received


@contextmanager
def public_port(app: ASGIApp, **settings: Any) -> Iterator[PublicPort]:
    chosen = Settings(drain_s=0, **settings)
    runtime = Runtime(metrics=Metrics("api"))
    with listen("127.0.0.1", 0) as listener:
        port = PublicPort(listener.getsockname(), runtime)
        step = answer(
            protected(app, chosen, runtime),
            listener,
            limits=limits(chosen),
            drain_s=0,
            runtime=runtime,
        )
        server = threading.Thread(target=step, daemon=True)
        server.start()
        try:
            yield port
        finally:
            runtime.stop.set()
            server.join(PATIENCE_S)
    assert not server.is_alive()
