import gzip
import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.support.shared_data import HUGE, RECORDED, RECORDING, shared_data
from txfeatures.archive.recording import Arrival, read
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures_local.source import faults
from txfeatures_local.source.faults import Faults
from txfeatures_local.source.replay_clock import ClockMode
from txfeatures_local.source.server import SourceServer

MakeArrival = Callable[..., Arrival]


class Body(msgspec.Struct):
    txs: list[msgspec.Raw]


class Keys(msgspec.Struct):
    time: int
    tx_index: int


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def server(arrival: MakeArrival) -> Iterator[SourceServer]:
    arrivals = [arrival(1729334970.063 + n, n=n) for n in range(3)]
    with SourceServer(iter(arrivals), clock=ManualClock()) as server:
        yield server


def test_an_answer_is_dated_by_the_feed_and_by_nothing_else(
    server: SourceServer, client: httpx.Client
) -> None:
    for date in ("Sat, 19 Oct 2024 10:49:31 GMT", "Sat, 19 Oct 2024 10:49:32 GMT"):
        assert client.get(server.url).headers.get_list("date") == [date]
    for url, method in (
        (server.status_url, "GET"),
        (server.url, "POST"),
        (server.url + "x", "GET"),
    ):
        response = client.request(method, url)
        assert response.headers.get_list("date") == ["Sat, 19 Oct 2024 10:49:32 GMT"]


def test_before_the_first_poll_answers_are_dated_by_the_clock_given(
    server: SourceServer, client: httpx.Client
) -> None:
    assert client.get(server.status_url).headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"


def test_a_connection_is_kept_and_the_body_is_json(
    server: SourceServer, client: httpx.Client
) -> None:
    streams = set()
    for polls in (1, 2, 3):
        response = client.get(server.url)
        streams.add(response.extensions["network_stream"].get_extra_info("client_addr"))
        assert response.headers["content-type"] == "application/json"
        assert len(response.json()["txs"]) == polls
    assert len(streams) == 1


def test_the_body_is_gzipped_when_asked_for(server: SourceServer, client: httpx.Client) -> None:
    zipped = client.get(server.url, headers={"Accept-Encoding": "br, gzip"})
    plain = client.get(server.url, headers={"Accept-Encoding": "identity"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(zipped.json()["txs"]) == 1
    assert len(plain.json()["txs"]) == 2


def test_without_format_json_it_is_a_page_and_no_poll(
    server: SourceServer, client: httpx.Client
) -> None:
    response = client.get(server.url.removesuffix("?format=json"))
    assert response.headers["content-type"] == "text/html"
    assert client.get(server.status_url).json()["served"] == 0


def test_other_parameters_do_no_harm(server: SourceServer, client: httpx.Client) -> None:
    assert len(client.get(server.url + "&cors=true&api_code=x").json()["txs"]) == 1


def test_another_path_is_not_found(server: SourceServer, client: httpx.Client) -> None:
    response = client.get(server.status_url + "/x")
    assert (response.status_code, response.json()["error"]) == (404, "not-found-or-invalid-arg")


def test_the_status_counts(server: SourceServer, client: httpx.Client) -> None:
    client.get(server.url)
    assert client.get(server.status_url).json() == {
        "served": 1,
        "errors": 0,
        "clock": 1729334971,
        "exhausted": False,
        "transactions": 1,
        "first_arrival_at": 1729334970.063,
        "last_arrival_at": 1729334970.063,
        "newest_time": 1729334970,
    }


def test_every_scripted_fault_reaches_the_client(
    arrival: MakeArrival, client: httpx.Client
) -> None:
    script = [
        faults.too_many_requests("3"),
        faults.null_txs,
        faults.truncated_json,
        faults.reset_in_mid_body,
        faults.reply(522, b"<html>", "text/html"),
        None,
    ]
    with SourceServer(
        iter([arrival(10.5)]), clock=ManualClock(), faults=Faults(script=script)
    ) as server:
        refused = client.get(server.url)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
        assert client.get(server.url).json() == {"txs": None}
        with pytest.raises(json.JSONDecodeError):
            client.get(server.url).json()
        with pytest.raises(httpx.TransportError):
            client.get(server.url)
        html = client.get(server.url)
        assert (html.status_code, html.headers["content-type"]) == (522, "text/html")
        assert len(client.get(server.url).json()["txs"]) == 1
        assert client.get(server.status_url).json()["errors"] == 5


def test_a_reset_is_a_real_reset(arrival: MakeArrival) -> None:
    with SourceServer(
        iter([arrival(10.5)]), clock=ManualClock(), faults=Faults(script=[faults.reset_in_mid_body])
    ) as server:
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(b"GET " + url.raw_path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                list(iter(lambda: connection.recv(65536), b""))


def test_a_client_that_goes_away_is_no_trouble(
    arrival: MakeArrival, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with SourceServer(iter([arrival(10.5)]), clock=ManualClock()) as server:
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(b"GET ")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert client.get(server.url).status_code == 200
    assert capfd.readouterr().err == ""


def test_closing_ends_kept_connections_and_frees_the_port(arrival: MakeArrival) -> None:
    with httpx.Client(trust_env=False) as client:
        with SourceServer(iter([arrival(10.5)]), clock=ManualClock()) as server:
            client.get(server.url)
        with pytest.raises(httpx.ConnectError):
            client.get(server.url)
        port = httpx.URL(server.url).port or 0
        with SourceServer(iter([arrival(10.5)]), clock=ManualClock(), port=port) as again:
            assert client.get(again.url).status_code == 200


def test_a_port_in_use_ends_in_one_sentence(server: SourceServer, arrival: MakeArrival) -> None:
    port = httpx.URL(server.url).port or 0
    second = SourceServer(iter([arrival(1.0)]), clock=ManualClock(), port=port)
    with (
        pytest.raises(FatalError, match=rf"{port} \(Address already in use\): stop the server"),
        second,
    ):
        pass


def test_a_wrong_speed_is_refused(arrival: MakeArrival) -> None:
    with pytest.raises(FatalError, match="speed"):
        SourceServer(iter([arrival(1.0)]), clock=ManualClock(), speed=0)


def test_real_time_runs_at_the_speed_given(arrival: MakeArrival, client: httpx.Client) -> None:
    clock = ManualClock()
    with SourceServer(
        iter([arrival(1000.0), arrival(1060.0)]), clock=clock, clock_mode=ClockMode.REAL, speed=30
    ) as server:
        assert len(client.get(server.url).json()["txs"]) == 1
        clock.advance(2)
        response = client.get(server.url)
    assert len(response.json()["txs"]) == 2
    assert response.headers["date"] == "Thu, 01 Jan 1970 00:17:40 GMT"


def test_a_recording_that_breaks_half_way_stops_the_server_and_says_why(
    tmp_path: Path, client: httpx.Client
) -> None:
    path = tmp_path / "a"
    path.write_text('{"arrived_at":1,"tx":{}}\n{"arrived_at":9,"tx":{}}\nbroken\n')
    with SourceServer(read(path), clock=ManualClock()) as server:
        assert client.get(server.url).status_code == 200
        statuses = [client.get(server.url).status_code for _ in range(9)]
        assert statuses == [200] * 6 + [500] * 3
        assert server.done.is_set()
    assert "Line 3 of the recording" in str(server.failure)


def test_a_recording_is_shown_whole_in_order_and_byte_for_byte(client: httpx.Client) -> None:
    lines = gzip.decompress(RECORDING.read_bytes()).splitlines()
    recorded = {line[line.index(b'"tx":') + 5 : -1] for line in lines}
    mixed_in = Faults(rate=0.2, seed=3)
    seen: set[bytes] = set()
    with SourceServer(read(RECORDING), clock=ManualClock(), faults=mixed_in) as server:
        while not client.get(server.status_url).json()["exhausted"]:
            try:
                txs = msgspec.json.decode(client.get(server.url).content, type=Body).txs
            except (httpx.TransportError, msgspec.DecodeError):
                continue
            keys = [msgspec.json.decode(tx, type=Keys) for tx in txs]
            assert keys == sorted(keys, key=lambda key: (key.time, key.tx_index), reverse=True)
            assert len(txs) <= 100
            seen.update(bytes(tx) for tx in txs)
        status = client.get(server.status_url).json()
    assert len(recorded) == status["transactions"] == RECORDED
    assert seen == recorded
    assert status["served"] == 834
    assert status["errors"] > 100


def test_a_transaction_of_four_megabytes_comes_whole(client: httpx.Client) -> None:
    path = shared_data(HUGE)
    largest = max((bytes(arrival.tx) for arrival in read(path)), key=len)
    assert len(largest) > 4_000_000
    with SourceServer(read(path), clock=ManualClock()) as server:
        while largest not in client.get(server.url).content:
            assert not client.get(server.status_url).json()["exhausted"]
