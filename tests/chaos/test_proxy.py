"""The proxy's faults, on connections to a server that returns what it gets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
from kafka_local.ports import HOST, free_port

from tests.chaos.proxy import Proxies, Proxy

LONG_S, SHORT_S = 10.0, 0.2


@pytest.fixture
def proxies() -> Iterator[Proxies]:
    class Echo(StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                received.append(line)
                self.wfile.write(line)

    class Server(ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # connections are reset on purpose

    received: list[bytes] = []
    server = Server((HOST, 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    with Proxies([Proxy(port=free_port(), target=server.server_address[1])]) as found:
        found.received = received  # type: ignore[attr-defined]
        yield found
    server.shutdown()
    server.server_close()
    thread.join()


def connect(proxies: Proxies) -> socket.socket:
    return socket.create_connection((HOST, proxies.all[0].port), timeout=LONG_S)


def ask(connection: socket.socket, line: bytes = b"a\n") -> bytes:
    connection.sendall(line)
    return connection.recv(100)


def is_reset(connection: socket.socket) -> bool:
    try:
        return not ask(connection)
    except ConnectionError:
        return True


def refuses(proxies: Proxies) -> bool:
    try:
        connection = connect(proxies)
    except ConnectionError:
        return True
    with closing(connection):
        return is_reset(connection)


def test_it_forwards_both_ways(proxies: Proxies) -> None:
    with closing(connect(proxies)) as connection:
        assert ask(connection) == b"a\n"


def test_a_cut_resets_connections_and_refuses_new_ones_until_it_is_healed(
    proxies: Proxies,
) -> None:
    proxy = proxies.all[0]
    with closing(connect(proxies)) as connection:
        assert ask(connection) == b"a\n"
        proxies.cut(proxy)
        assert is_reset(connection)
    assert refuses(proxies)
    effects = proxies.heal(proxy)
    assert effects.reset
    assert effects.refused
    with closing(connect(proxies)) as connection:
        assert ask(connection) == b"a\n"


@pytest.mark.parametrize(("direction", "arrives"), [("up", False), ("down", True)])
def test_a_silenced_direction_holds_back_and_the_other_passes(
    proxies: Proxies, direction: str, arrives: bool
) -> None:
    proxy = proxies.all[0]
    with closing(connect(proxies)) as connection:
        assert ask(connection) == b"a\n"
        proxies.silence(proxy, direction)  # type: ignore[arg-type]
        connection.settimeout(SHORT_S)
        with pytest.raises(TimeoutError):
            ask(connection, b"b\n")
        assert (b"b\n" in proxies.received) == arrives  # type: ignore[attr-defined]
        assert proxies.heal(proxy).held == 1
        connection.settimeout(LONG_S)
        assert connection.recv(100) == b"b\n"


def test_a_delay_is_counted_and_ends(proxies: Proxies) -> None:
    proxy = proxies.all[0]
    with closing(connect(proxies)) as connection:
        proxies.delay(proxy, 0.01)
        assert ask(connection) == b"a\n"
        assert proxies.heal(proxy).delayed == 2
        assert ask(connection) == b"a\n"
        assert proxies.heal(proxy).delayed == 2


def test_a_broker_that_is_down_is_a_reset(proxies: Proxies) -> None:
    with Proxies([Proxy(port=free_port(), target=free_port())]) as dead:
        assert refuses(dead)
