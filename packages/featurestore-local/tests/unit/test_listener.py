import http.client
import socket
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from featurestore_local.errors import DropConnectionError, LocalStoreError
from featurestore_local.listener import Listener


def echo(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/drop":
        raise DropConnectionError
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("a defect")
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Raw", environ["RAW_URI"]), ("X-Path", environ["PATH_INFO"])])
    return [body]


@pytest.fixture
def port() -> Iterator[int]:
    listener = Listener(host="127.0.0.1", port=0)
    listener.start(echo)
    yield listener.port
    listener.close()


@pytest.fixture
def connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    yield connection
    connection.close()


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_one_connection_carries_many_requests(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "PUT", "/a", b"one") == (200, b"one")
    socket_before = connection.sock
    assert ask(connection, "PUT", "/a", b"two") == (200, b"two")
    assert ask(connection, "GET", "/a") == (200, b"")
    assert connection.sock is socket_before


def test_a_head_is_answered_without_body(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "HEAD", "/a", b"seen") == (200, b"")
    assert ask(connection, "PUT", "/a", b"next") == (200, b"next")


def test_paths_come_raw_and_decoded(connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/a%2Fb?c=d")
    answer = connection.getresponse()
    answer.read()
    assert (answer.headers["X-Raw"], answer.headers["X-Path"]) == ("/a%2Fb?c=d", "/a/b")


def test_a_dropped_request_ends_the_connection(connection: http.client.HTTPConnection) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        ask(connection, "GET", "/drop")


def test_a_defect_is_a_500_and_the_connection_goes_on(
    connection: http.client.HTTPConnection,
) -> None:
    assert ask(connection, "GET", "/fail")[0] == 500
    assert ask(connection, "GET", "/a")[0] == 200


def test_a_body_without_length_is_refused(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 411 ")


def test_a_writer_that_expects_100_continue_gets_it(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(
            b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"ok")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_closing_ends_idle_connections() -> None:
    listener = Listener(host="127.0.0.1", port=0)
    listener.start(echo)
    with socket.create_connection(("127.0.0.1", listener.port), timeout=10) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(1000)
        listener.close()
        assert idle.recv(1000) == b""


def test_a_taken_port_is_said_in_one_sentence(port: int) -> None:
    with pytest.raises(
        LocalStoreError, match=rf"can't listen on 127\.0\.0\.1:{port} .*choose another"
    ):
        Listener(host="127.0.0.1", port=port)
