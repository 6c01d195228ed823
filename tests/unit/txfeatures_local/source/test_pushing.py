import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.shared_data import RECORDING
from tests.support.waiting import wait_until
from txfeatures.archive.recording import Arrival, read
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures_local.source.pushing import pushed_message
from txfeatures_local.source.replay_clock import ClockMode
from txfeatures_local.source.server import SourceServer

MakeArrival = Callable[..., Arrival]
START_S = 1_729_334_970.0
SUBSCRIBE = '{"op":"unconfirmed_sub"}'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def serve(arrival: MakeArrival, clock: ManualClock) -> Iterator[Callable[..., SourceServer]]:
    with ExitStack() as stack:

        def start(**options: object) -> SourceServer:
            arrivals = [arrival(START_S + 0.5 + n, n=n) for n in range(4)]
            server = SourceServer(iter(arrivals), clock=clock, push_port=0, **options)  # type: ignore[arg-type]
            return stack.enter_context(server)

        yield start


@contextmanager
def subscribed(server: SourceServer) -> Iterator[ClientConnection]:
    assert server.push_url is not None
    with connect(server.push_url, proxy=None) as connection:
        connection.send(SUBSCRIBE)
        yield connection


def received(connection: ClientConnection) -> dict[str, object]:
    found: dict[str, object] = json.loads(connection.recv(timeout=30))
    return found


def test_a_message_has_the_fields_that_the_vendor_pushes_and_no_others() -> None:
    polled = next(read(RECORDING)).tx
    known, pushed = json.loads(bytes(polled)), json.loads(pushed_message(polled))
    assert list(pushed) == ["op", "x"]
    assert pushed["op"] == "utx"
    missing = {"fee", "weight", "rbf", "double_spend", "block_index", "block_height"}
    assert not missing & pushed["x"].keys()
    assert pushed["x"]["tx_index"] == 0
    for name in ("hash", "time", "size", "ver", "vin_sz", "vout_sz", "lock_time", "relayed_by"):
        assert pushed["x"][name] == known[name]
    for spending, full in zip(pushed["x"]["inputs"], known["inputs"], strict=True):
        assert spending.keys() == {"sequence", "prev_out", "script"}
        assert spending["prev_out"]["value"] == full["prev_out"]["value"]


@pytest.mark.parametrize("odd", [b"17", b"null", b'{"inputs":5}', b'{"inputs":[],"out":[{}, 3]}'])
def test_what_is_no_transaction_is_pushed_as_it_is(odd: bytes) -> None:
    assert pushed_message(msgspec.Raw(odd)) == b'{"op":"utx","x":' + odd + b"}"


def test_polls_push_what_they_show(serve: Callable[..., SourceServer]) -> None:
    server = serve()
    with subscribed(server) as connection:
        wait_until(lambda: server.status().clock is not None)
        httpx.get(server.url, trust_env=False)
        assert received(connection)["op"] == "utx"
        with pytest.raises(TimeoutError):
            connection.recv(timeout=0.1)
    assert server.status().transactions == 1


def test_time_pushes_without_polls_and_to_each_subscriber(
    serve: Callable[..., SourceServer], clock: ManualClock
) -> None:
    server = serve(clock_mode=ClockMode.REAL)
    with subscribed(server) as first, subscribed(server) as second:
        earliest = received(first)
        clock.advance(1.0)
        latest = received(first)
        assert earliest != latest
        shown_to_second = received(second)
        assert latest in (shown_to_second, shown_to_second == earliest and received(second))
    assert server.status().transactions == 2
    assert server.status().served == 0


def test_a_ping_is_answered_and_another_request_is_ignored(
    serve: Callable[..., SourceServer],
) -> None:
    server = serve(clock_mode=ClockMode.REAL)
    assert server.push_url is not None
    with connect(server.push_url, proxy=None) as connection:
        for request in ("{", '{"op":"blocks_sub"}', SUBSCRIBE, '{"op":"ping"}'):
            connection.send(request)
        assert [received(connection)["op"] for _ in range(2)] == ["utx", "pong"]


def test_a_connection_is_dropped_in_place_of_a_message(
    serve: Callable[..., SourceServer],
) -> None:
    server = serve(clock_mode=ClockMode.REAL, drop_rate=1.0)
    with subscribed(server) as connection, pytest.raises(ConnectionClosed):
        connection.recv(timeout=30)


def test_a_port_that_is_taken_is_said_before_anything_listens(
    serve: Callable[..., SourceServer], clock: ManualClock
) -> None:
    taken = int(str(serve().push_url).rsplit(":", 1)[1].split("/")[0])
    with (
        pytest.raises(FatalError, match="choose another port"),
        SourceServer(iter([]), clock=clock, push_port=taken),
    ):
        pass


def test_a_recording_that_is_broken_ends_the_server(clock: ManualClock) -> None:
    with SourceServer(iter([]), clock=clock, push_port=0) as server:
        with subscribed(server) as connection, pytest.raises(ConnectionClosed):
            connection.recv(timeout=30)
        assert server.done.is_set()
        assert "no transactions" in str(server.failure)
