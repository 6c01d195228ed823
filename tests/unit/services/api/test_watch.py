from collections.abc import Callable
from typing import Any

import pytest

from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Heartbeat, Record, Row
from txfeatures.process.clock import ManualClock
from txfeatures.process.runtime import Runtime
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.rows import Rows
from txfeatures_api.watch import UNREAD_S, Watch, watch

MakeRow = Callable[..., Row]

MINUTE_S = minute_start_s("2024-10-19 10:49:00")


@pytest.fixture
def rows(clock: ManualClock) -> Rows:
    return Rows(clock=clock)


@pytest.fixture
def watched(store: Any, rows: Rows) -> Watch:
    feed_clock = FeedClock()
    beat = Heartbeat(poller="one", poll_id=1, feed_time_ms=MINUTE_S * 1000, outcome="ok")
    value = wire.encode_heartbeat(beat)
    feed_clock.receive(
        [Record(topic="feed", partition=0, offset=0, key=None, value=value, timestamp_ms=0)]
    )
    return Watch(store, rows, feed_clock, lookback_minutes=180)


def test_the_window_is_read_and_nothing_else_once_rows_are_known(
    watched: Watch, rows: Rows, store: Any, make_row: MakeRow
) -> None:
    store.put(make_row(is_final=True))
    watched.read(1)
    watched.read(2)
    assert [len(look) for look in store.looks] == [11, 11]
    assert rows.latest(only_final=True) is not None


def test_older_minutes_are_searched_as_far_as_the_lookback_a_hundred_at_a_time(
    watched: Watch, store: Any
) -> None:
    for number in range(5):
        watched.read(number)
    assert [len(look) for look in store.looks] == [11, 100, 93, 11, 11]
    searched = {minute_s for look in store.looks for minute_s in look}
    assert searched == set(range(MINUTE_S - 180 * 60, MINUTE_S + 61, 60))


def test_an_old_minute_that_changed_is_read_in_the_same_read_until_it_is_there(
    watched: Watch, rows: Rows, store: Any, make_row: MakeRow
) -> None:
    old_s = MINUTE_S - 1_000 * 60
    old = make_row(minute_name(old_s), revision=1, is_final=True)
    store.put(make_row(is_final=True), old)
    rows.receive([old_s], [old])
    rows.announce(old_s, 2)
    watched.read(1)
    store.put(make_row(minute_name(old_s), revision=2, is_final=True))
    watched.read(2)
    watched.read(3)
    assert [old_s in look for look in store.looks] == [True, True, False]
    assert rows.known([old_s])[0].revision == 2


def test_rows_are_served_for_a_while_after_the_last_good_read(watched: Watch) -> None:
    with pytest.raises(TransientError, match="try again"):
        watched.require(0)
    watched.read(0)
    watched.require(UNREAD_S)
    with pytest.raises(TransientError, match="try again"):
        watched.require(UNREAD_S + 1)


def test_a_refusal_ends_the_process_at_the_start_and_only_then(
    watched: Watch, store: Any, runtime: Runtime
) -> None:
    def nothing() -> None:
        pass

    good: list[str] = []
    step = watch(
        watched,
        interval_s=1,
        runtime=runtime,
        on_clock=nothing,
        on_read=lambda: good.append("read"),
        on_stop=lambda: good.append("stop"),
    )
    store.failure = FatalError("no such group")
    with pytest.raises(FatalError):
        step()
    store.failure = None
    step()
    for failure in (FatalError("no such group"), TransientError("down")):
        store.failure = failure
        step()
    runtime.stop.set()
    step()
    assert good == ["read", "stop"]
