import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs
from websockets.frames import Opcode

from tests.support.hostile_source import LINE, Play, endless, hostile_server, silent, whole
from tests.support.hostile_websocket import (
    again_and_again,
    fragments,
    frame,
    hostile_websocket,
    text,
    then_dropped,
    then_silent,
    trickle,
)
from tests.support.pushed_tx import payment, utx
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures_poller import subscription
from txfeatures_poller.pace import Limits
from txfeatures_poller.pushed import transaction
from txfeatures_poller.subscription import REQUEST, Subscription

LOOK_S = 0.05
PATIENCE_S = 30.0
MAX_MESSAGE_BYTES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedLimits(Limits):
    """Limits that note how many failures in a row they were asked about."""

    noted: list[int] = field(default_factory=list)

    def backoff_s(self, *, failures: int, draw: float) -> float:
        self.noted.append(failures)
        return 0.01


LIMITS = NotedLimits(interval_s=1.0, min_interval_s=0.5, backoff_first_s=0.01, backoff_max_s=0.01)


class Subscriber:
    """A subscription in an event loop of its own, driven as the source drives it."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.metrics = Metrics("poller")
        self.limits = replace(LIMITS, noted=[])
        self.clock = SystemClock()
        self.loop = asyncio.new_event_loop()
        self.subscription = Subscription(
            url.replace("http://", "ws://"),
            timeout_s=timeout_s,
            max_message_bytes=MAX_MESSAGE_BYTES,
            limits=self.limits,
            clock=self.clock,
            metrics=self.metrics,
            random=lambda: 1.0,
        )

    def receive(self, count: int) -> list[bytes]:
        """Return the next ``count`` transactions."""
        found: list[bytes] = []
        self.look_until(lambda: len(found) >= count, found)
        return found

    def look_until(self, is_true: Callable[[], bool], found: list[bytes] | None = None) -> None:
        """Receive in short looks until ``is_true``; each look ends in time, whatever comes."""
        end_s = self.clock.monotonic() + PATIENCE_S
        while not is_true():
            received = self.loop.run_until_complete(self.subscription.receive(LOOK_S))
            if received is not None and found is not None:
                found.append(received)
            assert self.clock.monotonic() < end_s, "not in time"

    def ends(self, reason: str) -> float:
        labels = {"reason": reason}
        sample = self.metrics.registry.get_sample_value
        return sample("txf_poller_websocket_ends_total", labels) or 0.0

    @property
    def is_connected(self) -> bool:
        return self.metrics.registry.get_sample_value("txf_poller_websocket_connected") == 1

    def close(self) -> None:
        self.loop.run_until_complete(self.subscription.close())
        self.loop.close()


Subscribe = Callable[..., Subscriber]


@pytest.fixture
def subscribe() -> Iterator[Subscribe]:
    """Return a function that subscribes to a server which plays until the test ends."""
    with ExitStack() as stack:

        def start(
            play: Play,
            server: Callable[[Play], AbstractContextManager[str]] = hostile_websocket,
            **options: float,
        ) -> Subscriber:
            subscriber = Subscriber(stack.enter_context(server(play)), **options)
            stack.callback(subscriber.close)
            return subscriber

        yield start


def hashes(transactions: list[bytes]) -> list[int]:
    return [int(json.loads(value)["hash"], 16) for value in transactions]


FIRST, SECOND = utx(payment(1)), utx(payment(2))


def test_it_subscribes_and_receives_what_is_pushed(subscribe: Subscribe) -> None:
    requests: list[bytes] = []

    def play(connection: object, over: threading.Event) -> None:
        requests.append(connection.recv(1000))  # type: ignore[attr-defined]
        connection.sendall(text(FIRST) + text(SECOND))  # type: ignore[attr-defined]
        over.wait()

    subscriber = subscribe(play)
    assert subscriber.receive(2) == [transaction(FIRST), transaction(SECOND)]
    [request] = requests
    assert len(request) == 6 + len(REQUEST)  # a masked frame
    assert subscriber.is_connected
    assert subscriber.subscription.has_pushed


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        pytest.param(fragments(FIRST, 100), [transaction(FIRST)], id="fragments"),
        pytest.param(frame(Opcode.BINARY, FIRST), [transaction(FIRST)], id="binary"),
        pytest.param(text(b"\xff{"), [b"\xff{"], id="invalid UTF-8"),
        pytest.param(text(b'{"op":'), [b'{"op":'], id="invalid JSON"),
        pytest.param(text(b""), [b""], id="empty"),
        pytest.param(text(b'{"op":"pong"}') + frame(Opcode.PING, b"x"), [], id="other kinds"),
        pytest.param(frame(Opcode.PONG, b"x") * 100, [], id="pongs"),
    ],
)
def test_an_odd_message_costs_only_itself(
    subscribe: Subscribe, sent: bytes, received: list[bytes]
) -> None:
    subscriber = subscribe(then_silent(sent + text(SECOND)))
    assert subscriber.receive(len(received) + 1) == [*received, transaction(SECOND)]
    assert subscriber.subscription.number == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(text(b"x" * (MAX_MESSAGE_BYTES + 1)), "closed", id="huge"),
        pytest.param(
            fragments(b"x" * (MAX_MESSAGE_BYTES + 1), 65_536), "closed", id="huge in fragments"
        ),
        pytest.param(fragments(b"x" * 8_000, 1), "closed", id="eight thousand fragments"),
        pytest.param(
            text(b"", fin=False) + frame(Opcode.CONT, fin=False) * 5_000, "closed", id="no end"
        ),
        pytest.param(b"\xc1\x02{}", "closed", id="compressed"),
        pytest.param(b"\x83\x00", "closed", id="unknown kind of frame"),
        pytest.param(frame(Opcode.CONT, b"x"), "closed", id="continues nothing"),
        pytest.param(b"\xff" * 1000, "closed", id="noise"),
        pytest.param(frame(Opcode.PING) * 20_000, "flood", id="pings"),
        pytest.param(text(b'{"op":"status"}') * 20_000, "flood", id="other messages"),
    ],
)
def test_a_connection_that_breaks_the_rules_ends_and_is_made_again(
    subscribe: Subscribe, sent: bytes, reason: str
) -> None:
    subscriber = subscribe(then_silent(sent))
    subscriber.look_until(lambda: subscriber.ends(reason) >= 2)
    assert subscriber.subscription.number >= 2


@pytest.mark.parametrize("sent", [frame(Opcode.PING, b"x" * 125), text(b'{"op":"x"}')])
def test_a_flood_without_an_end_by_a_server_that_reads_nothing_ends(
    subscribe: Subscribe, sent: bytes
) -> None:
    subscriber = subscribe(again_and_again(sent * 100))
    subscriber.look_until(lambda: subscriber.ends("flood") >= 2)


def test_a_message_that_trickles_in_is_waited_for_in_short_looks(subscribe: Subscribe) -> None:
    subscriber = subscribe(trickle(text(utx(17)), pause_s=0.02))
    assert subscriber.receive(1) == [b"17"]


def test_a_server_that_drops_right_after_subscribing_is_tried_again_with_backoff(
    subscribe: Subscribe,
) -> None:
    subscriber = subscribe(then_dropped(b""))
    subscriber.look_until(lambda: subscriber.ends("closed") >= 4)
    assert subscriber.limits.noted[:4] == [1, 2, 3, 4]


def test_a_drop_after_a_transaction_begins_the_backoff_anew(subscribe: Subscribe) -> None:
    subscriber = subscribe(then_dropped(text(FIRST)))
    assert hashes(subscriber.receive(3)) == [1, 1, 1]
    assert set(subscriber.limits.noted) == {1}
    assert subscriber.subscription.number == 3


def test_a_server_that_closes_in_order_is_tried_again(subscribe: Subscribe) -> None:
    close = frame(Opcode.CLOSE, b"\x03\xe8bye")
    subscriber = subscribe(then_silent(text(FIRST) + close))
    assert hashes(subscriber.receive(2)) == [1, 1]


def test_a_silent_subscription_is_made_again(
    subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "MAX_SILENCE_S", 0.2)
    subscriber = subscribe(then_silent(b""))
    subscriber.look_until(lambda: subscriber.ends("silent") >= 2)


def test_a_connection_that_answers_no_ping_ends(
    subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "KEEPALIVE_S", 0.1)
    subscriber = subscribe(then_silent(text(FIRST)), timeout_s=0.2)
    assert hashes(subscriber.receive(2)) == [1, 1]
    assert subscriber.ends("closed") == 1


PAGE = whole(b"<html>Access denied</html>", "Content-Type: text/html")


def status(line: str, *headers: str) -> Play:
    """Return an answer without a body."""
    head = "".join(f"{header}\r\n" for header in (line, *headers, "Content-Length: 0"))
    return lambda connection, _: connection.sendall(head.encode() + b"\r\n")


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        pytest.param(PAGE, "refused", id="a page"),
        pytest.param(status("HTTP/1.1 429 Too Many Requests"), "refused", id="429"),
        pytest.param(
            status("HTTP/1.1 301 Moved", "Location: ws://127.0.0.1:1/"), "refused", id="redirect"
        ),
        pytest.param(status("HTTP/1.1 101 Switching Protocols"), "connection", id="no upgrade"),
        pytest.param(then_silent(b"\xff\xfe\r\n\r\n"), "timeout", id="noise"),
        pytest.param(endless(start=LINE, unit=b"A: b\r\n" * 5000), "timeout", id="headers"),
        pytest.param(
            endless(start=LINE + b"\r\n", unit=b" " * 65_536), "timeout", id="endless body"
        ),
        pytest.param(lambda _connection, _over: None, "connection", id="nothing"),
        pytest.param(silent, "timeout", id="silence"),
        pytest.param(endless(start=LINE, unit=b"A", pause_s=0.05), "timeout", id="trickle"),
    ],
)
def test_an_answer_that_is_no_upgrade_is_tried_again(
    subscribe: Subscribe, play: Play, reason: str
) -> None:
    subscriber = subscribe(play, hostile_server, timeout_s=0.5)
    subscriber.look_until(lambda: subscriber.ends(reason) >= 2)
    assert subscriber.subscription.number == 0
    assert not subscriber.is_connected


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:1/inv", "ws://nowhere.invalid/", "ws://" + "a" * 70 + ".example/"]
)
def test_a_server_that_cannot_be_reached_is_tried_again(url: str) -> None:
    subscriber = Subscriber(url)
    subscriber.look_until(lambda: subscriber.ends("connection") >= 2)
    subscriber.close()


def test_a_pause_that_the_server_wants_is_kept_to(subscribe: Subscribe) -> None:
    subscriber = subscribe(status("HTTP/1.1 429 Slow down", "Retry-After: 30"), hostile_server)
    subscriber.look_until(lambda: subscriber.ends("refused") == 1)
    end_s = subscriber.clock.monotonic() + 10 * LOOK_S
    subscriber.look_until(lambda: subscriber.clock.monotonic() > end_s)
    assert subscriber.ends("refused") == 1


def test_a_proxy_that_cannot_be_one_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_PROXY", "ftp://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    subscriber = Subscriber("ws://ws.example.org/inv")
    subscriber.look_until(lambda: subscriber.ends("connection") >= 1)
    subscriber.close()


def test_an_end_is_logged_when_it_begins_and_when_it_is_over(subscribe: Subscribe) -> None:
    plays = iter([then_dropped(b""), then_dropped(b""), then_silent(text(FIRST))])
    with capture_logs() as logs:
        subscriber = subscribe(lambda connection, over: next(plays)(connection, over))
        subscriber.receive(1)
    assert [(entry["event"], entry.get("reason")) for entry in logs] == [
        ("websocket_ended", "closed"),
        ("websocket_recovered", None),
    ]


def test_it_can_be_closed_while_it_opens(subscribe: Subscribe) -> None:
    subscriber = subscribe(silent, hostile_server)
    subscriber.look_until(lambda: subscriber.clock.monotonic() > 0)
    assert not subscriber.is_connected
