from collections.abc import Callable

import pytest

from txfeatures.domain import wire
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import Heartbeat, Record
from txfeatures.process.clock import ManualClock
from txfeatures.process.runtime import Runtime
from txfeatures_api.feed_clock import FeedClock, follow


def heartbeat(feed_time_ms: int, *, poller: str = "one") -> Record:
    value = wire.encode_heartbeat(
        Heartbeat(poller=poller, poll_id=1, feed_time_ms=feed_time_ms, outcome="ok")
    )
    return record(value)


def record(value: bytes | None) -> Record:
    return Record(topic="feed", partition=0, offset=0, key=b"one", value=value, timestamp_ms=0)


class ScriptedTail:
    def __init__(self, *polls: list[Record] | Exception) -> None:
        self._polls = list(polls)

    def poll(self, timeout_s: float) -> list[Record]:
        poll = self._polls.pop(0)
        if isinstance(poll, Exception):
            raise poll
        return poll


def test_an_unknown_clock_says_what_it_waits_for() -> None:
    with pytest.raises(TransientError, match="start a poller"):
        FeedClock().now_ms()


def test_the_clock_of_several_pollers_is_the_newest_and_never_goes_back() -> None:
    feed_clock = FeedClock()
    feed_clock.receive([heartbeat(2000), heartbeat(1000, poller="two")])
    feed_clock.receive([heartbeat(1500)])
    assert feed_clock.now_ms() == 2000


def test_a_recording_of_1970_has_a_clock_too() -> None:
    feed_clock = FeedClock()
    feed_clock.receive([heartbeat(0)])
    assert feed_clock.is_known
    assert feed_clock.now_ms() == 0


@pytest.mark.parametrize("value", [None, b"", b"{", b"[]", b'{"poller":"one"}', b"\xff"])
def test_a_heartbeat_that_cannot_be_read_is_passed_over(value: bytes | None) -> None:
    feed_clock = FeedClock()
    feed_clock.receive([record(value), heartbeat(1000)])
    assert feed_clock.now_ms() == 1000


def test_an_outage_of_kafka_keeps_the_time_and_is_waited_out_however_long(
    runtime: Runtime, clock: ManualClock
) -> None:
    feed_clock = FeedClock()
    outage: list[list[Record] | Exception] = [TransientError("no brokers")] * 100
    tail = ScriptedTail([heartbeat(1000)], *outage, [heartbeat(2000)])
    step = follow(feed_clock, tail=tail, runtime=runtime)
    step()
    for _ in outage:
        step()
        assert feed_clock.now_ms() == 1000
    assert clock.monotonic() > 600
    step()
    assert feed_clock.now_ms() == 2000


def test_the_first_retry_after_a_recovery_is_soon_again(
    runtime: Runtime, clock: ManualClock
) -> None:
    failure = TransientError("no brokers")
    step = follow(FeedClock(), tail=ScriptedTail(*[failure] * 20, [], failure), runtime=runtime)
    pauses_s: list[float] = []
    measure(step, clock, pauses_s, times=22)
    assert max(pauses_s) == pytest.approx(10)
    assert pauses_s[-1] == pytest.approx(pauses_s[0])


def measure(
    step: Callable[[], None], clock: ManualClock, pauses_s: list[float], *, times: int
) -> None:
    for _ in range(times):
        before_s = clock.monotonic()
        step()
        pauses_s.append(clock.monotonic() - before_s)
