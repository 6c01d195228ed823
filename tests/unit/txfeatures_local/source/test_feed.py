import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.archive.recording import Arrival
from txfeatures.domain.errors import FatalError
from txfeatures_local.source.feed import VISIBLE, Feed

MakeArrival = Callable[..., Arrival]


def shown(feed: Feed) -> list[Any]:
    txs = json.loads(feed.body())["txs"]
    assert isinstance(txs, list)
    return txs


def test_nothing_is_shown_before_its_time(arrival: MakeArrival) -> None:
    feed = Feed(iter([arrival(10.5)]))
    feed.show_until(10.4)
    assert feed.body() == b'{"txs":[]}'
    assert (feed.shown, feed.exhausted, feed.last_arrival_at) == (0, False, None)
    feed.show_until(10.5)
    assert len(shown(feed)) == 1
    assert (feed.shown, feed.exhausted, feed.last_arrival_at) == (1, True, 10.5)


def test_transactions_are_byte_for_byte_what_they_were() -> None:
    raw = b'{"z":1,  "a":90071992547409931, "tx_index":18014398509481985}'
    feed = Feed(iter([Arrival.of(arrived_at=1, tx=msgspec.Raw(raw))]))
    feed.show_until(1)
    assert feed.body() == b'{"txs":[' + raw + b"]}"


def test_no_arrivals_is_fatal() -> None:
    with pytest.raises(FatalError, match="no transactions to show"):
        Feed(iter([]))


def test_it_reads_one_arrival_ahead_and_no_further(arrival: MakeArrival) -> None:
    read: list[float] = []

    def arrivals() -> Any:
        for arrived_at in range(1, 100):
            read.append(arrived_at)
            yield arrival(arrived_at)

    Feed(arrivals()).show_until(3)
    assert read == [1, 2, 3, 4]


@given(
    keys=st.lists(
        st.tuples(st.integers(0, 5) | st.integers(), st.integers(0, 5) | st.integers()),
        min_size=1,
        max_size=3 * VISIBLE,
    )
)
def test_the_newest_100_are_shown_by_time_and_then_tx_index_descending(
    keys: list[tuple[int, int]],
) -> None:
    arrivals = [
        Arrival.of(arrived_at=at, tx=msgspec.Raw(b'{"time":%d,"tx_index":%d}' % key))
        for at, key in enumerate(keys)
    ]
    feed = Feed(iter(arrivals))
    feed.show_until(len(keys))
    expected = sorted(keys, reverse=True)[:VISIBLE]
    assert [(tx["time"], tx["tx_index"]) for tx in shown(feed)] == expected


def test_equal_keys_in_any_number_are_no_trouble(arrival: MakeArrival) -> None:
    feed = Feed(arrival(1.0, number=n) for n in range(150))
    feed.show_until(1)
    assert [tx["number"] for tx in shown(feed)] == list(range(149, 49, -1))


def test_a_transaction_without_keys_sorts_last(arrival: MakeArrival) -> None:
    poison = Arrival.of(arrived_at=1, tx=msgspec.Raw(b'{"poison":1}'))
    feed = Feed(iter([poison, arrival(1.0), arrival(2.0)]))
    feed.show_until(2)
    assert shown(feed)[-1] == {"poison": 1}


def test_the_newest_time_leaves_out_times_that_are_wrong(arrival: MakeArrival) -> None:
    feed = Feed(
        iter([arrival(1000.0, time=1121), arrival(1000.5, time=990), arrival(1001.0, time=1121)])
    )
    feed.show_until(1000)
    assert feed.newest_time is None
    feed.show_until(1000.5)
    assert feed.newest_time == 990
    feed.show_until(1001)
    assert feed.newest_time == 1121
