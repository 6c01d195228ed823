import socket
import threading

import anyio.to_thread
import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from txfeatures.domain.errors import FatalError
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_api.main import limits
from txfeatures_api.server import answer, listen
from txfeatures_api.settings import Settings


class SlowApp:
    """Says when a request has come, and answers it when it is let go."""

    def __init__(self) -> None:
        self.has_come = threading.Event()
        self.go = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.has_come.set()
        await anyio.to_thread.run_sync(self.go.wait, 30)
        await PlainTextResponse("done")(scope, receive, send)


def start(app: ASGIApp, listener: socket.socket, runtime: Runtime) -> threading.Thread:
    step = answer(app, listener, limits=limits(Settings()), drain_s=0, runtime=runtime)
    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    return thread


def test_what_is_being_answered_is_finished_after_the_stop() -> None:
    runtime, app = Runtime(metrics=Metrics("api")), SlowApp()
    answers: list[str] = []
    with listen("127.0.0.1", 0) as listener:
        server = start(app, listener, runtime)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = threading.Thread(
            target=lambda: answers.append(httpx.get(url, trust_env=False).text)
        )
        client.start()
        assert app.has_come.wait(30)
        runtime.stop.set()
        app.go.set()
        client.join(30)
        server.join(30)
    assert not server.is_alive()
    assert answers == ["done"]


def test_connections_do_not_wait_for_acknowledgements() -> None:
    with listen("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname()):
            accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_in_use_is_said_in_one_sentence() -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(FatalError, match=f"port {port} .* another TXF_API_PUBLIC_PORT"):
            listen("127.0.0.1", port)


def test_an_address_of_ipv6_is_listened_on() -> None:
    try:
        listener = listen("::1", 0)
    except FatalError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert listener.family == socket.AF_INET6
