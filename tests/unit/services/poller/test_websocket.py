import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.support.hostile_source import Play, hostile_server, silent
from tests.support.hostile_websocket import hostile_websocket, text, then_silent
from tests.support.memory_sink import body, tx
from tests.support.pushed_tx import payment, utx
from tests.support.scripted_source import Reply, ScriptedServer
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_poller.logic import Whole
from txfeatures_poller.main import open_source
from txfeatures_poller.pushed import transaction
from txfeatures_poller.settings import Settings
from txfeatures_poller.source import PollFailedError, Push
from txfeatures_poller.websocket import WebsocketSource

PATIENCE_S = 30.0
INTERVAL_S = 5.0
CHECK_S = 60.0

MakeSource = Callable[..., WebsocketSource]


@pytest.fixture
def make(server: ScriptedServer) -> Iterator[MakeSource]:
    """Return a function that opens a source on a websocket that plays until the test ends."""
    with ExitStack() as stack:

        def make(
            play: Play,
            websocket: Callable[[Play], AbstractContextManager[str]] = hostile_websocket,
            **changes: object,
        ) -> WebsocketSource:
            url = stack.enter_context(websocket(play)).replace("http://", "ws://")
            settings = Settings.model_validate(
                {
                    "source": "websocket",
                    "url": server.url,
                    "websocket_url": url,
                    "interval_s": INTERVAL_S,
                    "websocket_check_s": CHECK_S,
                    "backoff_max_s": 0.01,
                }
                | changes
            )
            runtime = Runtime(metrics=Metrics("poller"))
            source = stack.enter_context(open_source(settings, runtime=runtime, random=lambda: 0.0))
            assert isinstance(source, WebsocketSource)
            return source

        yield make


def pushed_by(source: WebsocketSource) -> Push:
    push = source.wait(threading.Event(), PATIENCE_S)
    assert push is not None
    return push


FIRST, SECOND, THIRD = (utx(payment(n)) for n in (1, 2, 3))


def test_what_is_pushed_is_an_answer_of_the_websockets_host(make: MakeSource) -> None:
    before_ms = int(SystemClock().now() * 1000)
    push = pushed_by(make(then_silent(text(FIRST))))
    value = transaction(FIRST)
    assert push.answer.transactions == [value]
    assert push.answer.whole == Whole.of(value or b"")
    assert push.answer.source.startswith("127.0.0.1:")
    assert push.answer.fetched_at_ms == push.answer.feed_time_ms >= before_ms
    assert push.answer.other_clock_ms is None


def test_what_is_there_is_passed_on_together(make: MakeSource) -> None:
    source = make(then_silent(text(FIRST) + text(SECOND) + text(THIRD)))
    assert len(pushed_by(source).answer.transactions) == 3


def test_pushes_just_after_another_are_gathered(make: MakeSource) -> None:
    passed_on = threading.Event()

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(text(FIRST))
        passed_on.wait(PATIENCE_S)
        connection.sendall(text(SECOND))
        over.wait(0.05)
        connection.sendall(text(THIRD))
        over.wait()

    source = make(play, websocket_gather_s=2.0)
    assert pushed_by(source).answer.transactions == [transaction(FIRST)]
    passed_on.set()
    expected = [transaction(SECOND), transaction(THIRD)]
    assert pushed_by(source).answer.transactions == expected


def test_an_answer_has_a_bound(make: MakeSource) -> None:
    messages = [text(utx(payment(n))) for n in range(250)]
    source = make(then_silent(b"".join(messages)), max_elements=100, websocket_gather_s=10.0)
    # The first holds what is there by then; the second waits for more.
    first, second = (len(pushed_by(source).answer.transactions) for _ in range(2))
    assert first <= 100
    assert second == 100


def test_without_a_push_it_waits_no_longer_than_it_is_told(make: MakeSource) -> None:
    assert make(then_silent(b"")).wait(threading.Event(), 0.2) is None


def test_told_to_stop_it_does_not_wait(make: MakeSource) -> None:
    stop = threading.Event()
    stop.set()
    assert make(then_silent(text(FIRST))).wait(stop, PATIENCE_S) is None


@pytest.mark.parametrize("websocket", [hostile_server, hostile_websocket])
def test_a_websocket_that_is_silent_leaves_the_polls_alone(
    server: ScriptedServer,
    make: MakeSource,
    websocket: Callable[[Play], AbstractContextManager[str]],
) -> None:
    server.replies = [Reply(body=body(tx(1)))]
    source = make(silent, websocket)
    for _ in range(3):
        assert source.wait(threading.Event(), 0.05) is None
        answer = source.fetch()
        assert (answer.source, answer.transactions) == (server.host, [tx(1)])
    assert source.name == server.host


def test_each_connection_is_followed_by_a_poll_and_then_polls_are_put_off(
    make: MakeSource,
) -> None:
    dropped = threading.Event()

    def play(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1000)
        connection.sendall(text(FIRST))
        dropped.wait(PATIENCE_S)

    source = make(play, websocket_gather_s=0.0)
    assert pushed_by(source).poll_after_s == 0.0
    source.fetch()
    dropped.set()
    assert pushed_by(source).poll_after_s == 0.0
    source.fetch()


@pytest.mark.parametrize(("check_s", "expected_s"), [(CHECK_S, INTERVAL_S), (0.0, 0.0)])
def test_while_it_pushes_a_poll_is_due_after_the_interval_or_the_check(
    make: MakeSource, check_s: float, expected_s: float
) -> None:
    go_on = threading.Semaphore(0)

    def play(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            connection.sendall(text(FIRST))
            while not (go_on.acquire(timeout=0.05) or over.is_set()):
                continue

    source = make(play, websocket_gather_s=0.0, websocket_check_s=check_s)
    pushed_by(source)
    source.fetch()
    go_on.release()
    assert pushed_by(source).poll_after_s == expected_s


def test_a_poll_that_fails_after_a_connection_is_due_again(
    server: ScriptedServer, make: MakeSource
) -> None:
    server.replies = [Reply(status=500)]
    source = make(then_silent(text(FIRST) + text(SECOND)), max_elements=100)
    pushed_by(source)
    with pytest.raises(PollFailedError):
        source.fetch()


def test_with_dates_for_a_clock_pushes_have_the_last_polls_and_wait_for_the_first(
    server: ScriptedServer, make: MakeSource
) -> None:
    date = "Sat, 19 Oct 2024 10:49:31 GMT"
    server.replies = [Reply(headers={"Date": date})]
    source = make(then_silent(text(FIRST)), feed_clock="response_date")
    assert source.wait(threading.Event(), 0.2) is None
    feed_time_ms = source.fetch().feed_time_ms
    answer = pushed_by(source).answer
    assert answer.feed_time_ms == feed_time_ms == 1_729_334_971_000
    assert answer.other_clock_ms == answer.fetched_at_ms > feed_time_ms
