"""Clients that are slow, large or many, on real sockets."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.service.api.edge_server import PATIENCE_S, PublicPort, public_port, read_to_end

GET = b"GET /latest HTTP/1.1\r\nHost: api\r\n"
LARGE = 50_000_000
CLOSE = b"Connection: close\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/large":
        await PlainTextResponse(b"x" * LARGE)(scope, receive, send)
    else:
        await PlainTextResponse(scope["path"])(scope, receive, send)


@pytest.fixture
def port() -> Iterator[PublicPort]:
    with public_port(app, receive_timeout_s=1, send_timeout_s=1) as port:
        yield port


def assert_served(port: PublicPort) -> None:
    assert port.send(GET + CLOSE).endswith(b"/latest")


def problem(answer: bytes, status: int) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"application/problem+json" in head
    found = json.loads(body)
    assert found["status"] == status
    assert found["request_id"] in head.decode()
    assert found["trace_id"] in head.decode()
    return str(found["detail"])


def test_a_header_that_does_not_end_is_refused_in_time(port: PublicPort) -> None:
    assert "did not arrive in 1 s" in problem(port.send(GET), 408)
    assert port.refused("receive_time") == 1
    assert_served(port)


def test_a_client_that_sends_nothing_is_disconnected(port: PublicPort) -> None:
    with port.connect() as client:
        assert read_to_end(client) == b""
    assert_served(port)


def test_a_body_that_does_not_end_is_cut_off_after_the_answer(port: PublicPort) -> None:
    answer = port.send(b"POST /slow HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\nabc")
    assert answer.endswith(b"/slow")
    assert port.refused("receive_time") == 1


def test_a_client_that_leaves_its_answer_unread_is_disconnected(port: PublicPort) -> None:
    with port.connect() as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: api\r\n\r\n")
        while port.refused("send_time") == 0:
            assert_served(port)
        assert len(read_to_end(client)) < LARGE


def test_five_hundred_idle_connections_leave_the_others_served() -> None:
    with public_port(app, receive_timeout_s=300) as port, ExitStack() as idle:
        for _ in range(500):
            idle.enter_context(port.connect())
        assert_served(port)


def test_a_connection_too_many_takes_the_place_of_the_longest_wait() -> None:
    with public_port(app, receive_timeout_s=300, max_connections=10) as port, ExitStack() as idle:
        clients = [idle.enter_context(port.connect()) for _ in range(10)]
        assert_served(port)
        assert port.refused("evicted") == 1
        assert read_to_end(clients[0]) == b""
        clients[-1].sendall(GET + CLOSE)
        assert read_to_end(clients[-1]).endswith(b"/latest")


def test_a_connection_too_many_is_refused_while_all_are_busy() -> None:
    begun = threading.Semaphore(0)

    async def busy(scope: Scope, receive: Receive, send: Send) -> None:
        begun.release()
        while (await receive())["type"] != "http.disconnect":
            pass

    with public_port(busy, max_connections=10) as port, ExitStack() as clients:
        for _ in range(10):
            client = clients.enter_context(port.connect())
            client.sendall(GET + b"\r\n")
            assert begun.acquire(timeout=PATIENCE_S)
        answer = port.send(GET + CLOSE)
        assert "too many connections" in problem(answer, 503)
        assert b"Retry-After: 1" in answer


def test_a_header_of_a_megabyte_is_refused(port: PublicPort) -> None:
    answer = port.send(GET + b"X-Large: " + b"x" * 1_000_000 + b"\r\n\r\n")
    assert "headers are larger" in problem(answer, 431)
    assert_served(port)


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_a_long_url_is_refused(size: int, port: PublicPort) -> None:
    line = b"GET /latest?" + b"x" * size + b" HTTP/1.1\r\nHost: api\r\n"
    assert "fewer parameters" in problem(port.send(line + CLOSE), 414)


def test_a_large_body_is_refused_whether_announced_or_not(port: PublicPort) -> None:
    post = b"POST /latest HTTP/1.1\r\nHost: api\r\nConnection: close\r\n"
    announced = port.send(post + b"Content-Length: 70000\r\n\r\n")
    assert "without one" in problem(announced, 413)
    chunk = b"1000\r\n" + b"x" * 4_096 + b"\r\n"
    endless = post.replace(b"close", b"keep-alive") + b"Transfer-Encoding: chunked\r\n\r\n"
    with port.connect() as client:
        client.sendall(endless)
        while port.refused("body") < 2:
            client.sendall(chunk)


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: api\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api\r\nHost: other\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: api\r\nContent-Length: x\r\n\r\n",
        b"\r\n\r\n\r\nnonsense\r\n\r\n",
    ],
)
def test_bytes_that_are_no_http_are_refused(data: bytes, port: PublicPort) -> None:
    problem(port.send(data), 400)
    assert port.refused("malformed") == 1
    assert_served(port)


def test_nonsense_in_a_body_ends_the_connection_after_the_answer(port: PublicPort) -> None:
    post = b"POST /latest HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
    with port.connect() as client:
        client.sendall(post)
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(b"nonsense\r\n")
        assert b"HTTP/1.1 400" not in read_to_end(client)


def test_pipelined_requests_are_answered_in_order(port: PublicPort) -> None:
    paths = [b"/one", b"/two", b"/three"]
    requests = [b"GET " + path + b" HTTP/1.1\r\nHost: api\r\n" for path in paths]
    answer = port.send(b"\r\n".join(requests) + CLOSE)
    assert [part for part in answer.split(b"\r\n\r\n") if part.startswith(b"/")][-1] == b"/three"
    assert answer.index(b"/one") < answer.index(b"/two") < answer.index(b"/three")
    assert answer.count(b"HTTP/1.1 200") == 3


def test_a_connection_is_used_again(port: PublicPort) -> None:
    with port.connect() as client:
        for _ in range(3):
            client.sendall(GET + b"\r\n")
            answer = b""
            while not answer.endswith(b"/latest"):  # the body repeats the path
                part = client.recv(65_536)
                assert part, answer
                answer += part
            assert answer.startswith(b"HTTP/1.1 200")
