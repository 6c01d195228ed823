import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_source import LINE, endless, hostile_server
from tests.support.memory_sink import body, tx
from tests.support.scripted_source import Reply, ScriptedServer
from txfeatures.process.clock import Clock, ManualClock
from txfeatures_poller import source as source_module
from txfeatures_poller.logic import Whole
from txfeatures_poller.source import Answer, FeedClockSource, HttpSource, PollFailedError

NOW_S = 1_729_334_941.5
FEED_S = 1_600_000_000


class Fetcher:
    """Makes sources that are closed at the end of the test."""

    def __init__(self, stack: ExitStack, server: ScriptedServer) -> None:
        self._stack = stack
        self._url = server.url

    def __call__(
        self,
        *,
        url: str | None = None,
        feed_clock: FeedClockSource = "poll",
        max_body_bytes: int = 64 * 2**20,
        timeout_s: float = 10.0,
        max_elements: int = 10_000,
        api_code: str | None = None,
        clock: Clock | None = None,
    ) -> HttpSource:
        source = HttpSource(
            url or self._url,
            timeout_s=timeout_s,
            max_body_bytes=max_body_bytes,
            max_elements=max_elements,
            feed_clock=feed_clock,
            clock=clock or ManualClock(NOW_S),
            api_code=api_code,
        )
        return self._stack.enter_context(source)


@pytest.fixture
def make(server: ScriptedServer) -> Iterator[Fetcher]:
    with ExitStack() as stack:
        yield Fetcher(stack, server)


def failure(source: HttpSource) -> PollFailedError:
    with pytest.raises(PollFailedError) as caught:
        source.fetch()
    return caught.value


def test_transactions_are_the_bytes_of_the_answer(server: ScriptedServer, make: Fetcher) -> None:
    odd = b'{"fee":1.50e1, "big": 90071992547409931, "s":"\\u00e9\xff" }'
    whole = body(tx(1), odd, b"null", b"[ 1 ]")
    server.replies = [Reply(body=whole)]
    assert make().fetch() == Answer(
        source=server.host,
        transactions=[tx(1), odd, b"null", b"[ 1 ]"],
        feed_time_ms=1_729_334_941_500,
        fetched_at_ms=1_729_334_941_500,
        whole=Whole.of(whole),
        other_clock_ms=None,
    )


def test_an_empty_list_is_an_answer(server: ScriptedServer, make: Fetcher) -> None:
    server.replies = [Reply(body=b'{"txs":[]}')]
    assert make().fetch().transactions == []


def test_gzip_is_asked_for_and_unzipped(server: ScriptedServer, make: Fetcher) -> None:
    zipped = gzip.compress(body(tx(1)))
    server.replies = [Reply(body=zipped, headers={"Content-Encoding": "gzip"})]
    answer = make().fetch()
    assert answer.transactions == [tx(1)]
    assert answer.whole == Whole.of(body(tx(1)))
    assert server.requests[0].headers["Accept-Encoding"] == "gzip"


def test_a_body_of_10_mb_is_legal(server: ScriptedServer, make: Fetcher) -> None:
    big = tx(1, script="f" * 10_000_000)
    server.replies = [Reply(body=body(big, tx(2)))]
    assert make().fetch().transactions == [big, tx(2)]


def test_the_request_says_who_asks_and_keeps_the_query(
    server: ScriptedServer, make: Fetcher
) -> None:
    make().fetch()
    [request] = server.requests
    assert request.path == "/unconfirmed-transactions?format=json"
    assert request.headers["User-Agent"].startswith("txfeatures/")


def test_the_api_code_joins_the_query(server: ScriptedServer, make: Fetcher) -> None:
    make(api_code="se cret").fetch()
    assert server.requests[0].path == "/unconfirmed-transactions?format=json&api_code=se+cret"


def test_the_name_is_the_host_without_the_query(server: ScriptedServer, make: Fetcher) -> None:
    assert make(api_code="secret").name == server.host
    assert make(url="https://user:word@example.org/x?y=z").name == "example.org"


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        (b'{"txs":[{"hash":"ab', "not_json"),
        (b"", "not_json"),
        (b"Maximum concurrent requests reached.", "not_json"),
        (b'{"txs":' + b"[" * 100_000, "not_json"),
        (b"\r\n<!DOCTYPE html><title>522</title>", "html"),
        (b'{"txs":null}', "wrong_shape"),
        (b'{"txs":{"0":{}}}', "wrong_shape"),
        (b'{"txs":"none"}', "wrong_shape"),
        (b'{"error":"not-found-or-invalid-arg"}', "wrong_shape"),
        (b"[]", "wrong_shape"),
        (b"null", "wrong_shape"),
    ],
)
def test_a_body_of_another_kind_with_status_200_fails_the_poll(
    server: ScriptedServer, make: Fetcher, bad: bytes, outcome: str
) -> None:
    server.replies = [Reply(body=bad)]
    assert failure(make()).outcome == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (204, "http_204"),
        (301, "http_301"),
        (403, "http_403"),
        (429, "http_429"),
        (500, "http_5xx"),
        (522, "http_5xx"),
    ],
)
def test_another_status_fails_the_poll(
    server: ScriptedServer, make: Fetcher, status: int, outcome: str
) -> None:
    server.replies = [Reply(status=status, body=b"" if status == 204 else body(tx(1)))]
    error = failure(make())
    assert error.outcome == outcome
    assert error.retry_after_s is None


@pytest.mark.parametrize(
    ("headers", "retry_after_s"),
    [
        ({"Retry-After": "17"}, 17.0),
        ({"Retry-After": formatdate(NOW_S + 30, usegmt=True)}, 29.5),
        (
            {
                "Retry-After": formatdate(FEED_S + 12, usegmt=True),
                "Date": formatdate(FEED_S, usegmt=True),
            },
            12.0,
        ),
        ({"Retry-After": formatdate(NOW_S - 3600, usegmt=True)}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 500}, 600.0),
        ({"Retry-After": formatdate(NOW_S + 86_400, usegmt=True)}, 600.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_by_the_servers_clock(
    server: ScriptedServer, make: Fetcher, headers: dict[str, str], retry_after_s: float | None
) -> None:
    server.replies = [Reply(status=429, headers=headers)]
    assert failure(make()).retry_after_s == retry_after_s


@given(st.text() | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,5} \d\d:\d\d:\d\d \S*"))
def test_any_header_is_a_date_or_none(value: str) -> None:
    moment_s = source_module._http_date_s(value)
    assert moment_s is None or moment_s >= 0


def test_a_body_above_the_bound_fails_the_poll(server: ScriptedServer, make: Fetcher) -> None:
    server.replies = [Reply(body=body(tx(1, script="f" * 5000)))]
    assert failure(make(max_body_bytes=4096)).outcome == "too_large"


def test_a_zipped_body_is_bounded_by_what_it_unzips_to(
    server: ScriptedServer, make: Fetcher
) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    server.replies = [Reply(body=bomb, headers={"Content-Encoding": "gzip"})]
    assert failure(make(max_body_bytes=1_000_000)).outcome == "too_large"


def test_a_body_that_is_not_the_gzip_it_claims_fails_the_poll(
    server: ScriptedServer, make: Fetcher
) -> None:
    server.replies = [Reply(body=body(tx(1)), headers={"Content-Encoding": "gzip"})]
    assert failure(make()).outcome == "bad_encoding"


def test_a_connection_reset_in_mid_body_fails_the_poll_and_the_next_one_works(
    server: ScriptedServer, make: Fetcher
) -> None:
    server.replies = [Reply(body=body(tx(1), tx(2)), sent_bytes=40), Reply(body=body(tx(3)))]
    source = make()
    assert failure(source).outcome == "connection"
    assert source.fetch().transactions == [tx(3)]


def test_a_refused_connection_fails_the_poll(make: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert failure(make(url=f"http://127.0.0.1:{port}/")).outcome == "connection"


def test_a_source_that_never_answers_fails_the_poll(make: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert failure(make(url=url, timeout_s=0.05)).outcome == "timeout"


def test_the_feeds_time_of_a_live_source_is_the_time_of_day_also_of_a_failure(
    server: ScriptedServer, make: Fetcher
) -> None:
    server.replies = [Reply(status=500, headers={"Date": formatdate(FEED_S, usegmt=True)})]
    assert failure(make()).feed_time_ms == 1_729_334_941_500


def test_the_feeds_time_of_a_replay_is_the_date_of_a_good_answer(
    server: ScriptedServer, make: Fetcher
) -> None:
    date = {"Date": formatdate(FEED_S, usegmt=True)}
    server.replies = [Reply(headers=date), Reply(status=500, headers=date)]
    source = make(feed_clock="response_date")
    answer = source.fetch()
    assert (answer.feed_time_ms, answer.fetched_at_ms) == (FEED_S * 1000, 1_729_334_941_500)
    assert failure(source).feed_time_ms is None


def test_a_replay_without_a_date_fails_the_poll(server: ScriptedServer, make: Fetcher) -> None:
    assert failure(make(feed_clock="response_date")).outcome == "no_date"


def test_a_look_up_of_the_name_that_never_ends_fails_each_poll_in_time(
    make: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    source = make(url="http://source.example/", timeout_s=0.05)
    try:
        assert [failure(source).outcome for _ in range(3)] == ["timeout"] * 3
    finally:
        over.set()


def test_a_poll_that_was_cancelled_leaves_the_next_one_working(
    server: ScriptedServer, make: Fetcher
) -> None:
    source = make(timeout_s=0.5)
    with hostile_server(endless(start=LINE, unit=b"A: b\r\n", pause_s=0.02)) as url:
        good, source._url = source._url, httpx.URL(url)
        assert failure(source).outcome == "timeout"
    source._url = good
    assert source.fetch().transactions == []


def test_cookies_are_not_kept(server: ScriptedServer, make: Fetcher) -> None:
    server.replies = [Reply(headers={"Set-Cookie": "a=b"})]
    source = make()
    source.fetch()
    source.fetch()
    assert "Cookie" not in server.requests[1].headers


def test_one_odd_element_is_handed_on_with_the_others(
    server: ScriptedServer, make: Fetcher
) -> None:
    odd = b'{"hash":"\\ud83d","fee":NaN}'
    server.replies = [Reply(body=body(tx(1), odd, tx(2)))]
    assert make().fetch().transactions == [tx(1), odd, tx(2)]


def test_an_answer_with_too_many_elements_becomes_one_dead_letter(
    server: ScriptedServer, make: Fetcher
) -> None:
    whole = body(*map(tx, range(101)))
    server.replies = [Reply(body=whole)]
    error = failure(make(max_elements=100))
    assert error.outcome == "too_many"
    assert error.letter is not None
    assert error.letter.value == whole[:4096]


@pytest.mark.parametrize(
    ("feed_clock", "feed_time_ms", "other_clock_ms"),
    [
        ("poll", int(NOW_S * 1000), FEED_S * 1000),
        ("response_date", FEED_S * 1000, int(NOW_S * 1000)),
    ],
)
def test_an_answer_has_the_other_clock_as_well(
    server: ScriptedServer,
    make: Fetcher,
    feed_clock: FeedClockSource,
    feed_time_ms: int,
    other_clock_ms: int,
) -> None:
    server.replies = [Reply(headers={"Date": formatdate(FEED_S, usegmt=True)})]
    answer = make(feed_clock=feed_clock).fetch()
    assert (answer.feed_time_ms, answer.other_clock_ms) == (feed_time_ms, other_clock_ms)
