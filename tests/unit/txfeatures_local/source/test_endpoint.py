import json
from collections.abc import Callable, Iterable
from functools import partial

import pytest

from txfeatures.archive.recording import Arrival
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock
from txfeatures_local.source import faults, replay_clock
from txfeatures_local.source.endpoint import Endpoint, Status
from txfeatures_local.source.faults import Fault, Faults
from txfeatures_local.source.replay_clock import ClockMode

MakeArrival = Callable[..., Arrival]


def endpoint(
    arrivals: Iterable[Arrival],
    *,
    mode: ClockMode = ClockMode.POLL,
    clock: ManualClock | None = None,
    script: Iterable[Fault | None] = (),
) -> Endpoint:
    return Endpoint(
        iter(arrivals),
        start_clock=partial(replay_clock.start, mode, clock=clock or ManualClock(), speed=10),
        faults=Faults(script=script),
    )


def numbers(body: bytes) -> list[int]:
    return [tx["n"] for tx in json.loads(body)["txs"]]


def test_each_poll_shows_one_more_second_and_goes_on_after_the_end(arrival: MakeArrival) -> None:
    source = endpoint([arrival(10.5, n=1), arrival(11.0, n=2), arrival(12.1, n=3)])
    polls = [source.poll() for _ in range(4)]
    assert [numbers(answer.body) for answer, _ in polls] == [[2, 1], [2, 1], [3, 2, 1], [3, 2, 1]]
    assert [time for _, time in polls] == [11, 12, 13, 14]


def test_a_fault_costs_no_second(arrival: MakeArrival) -> None:
    arrivals = [arrival(10.5 + n, n=n) for n in range(5)]
    script = [faults.null_txs, None, faults.null_txs, faults.truncated_json, None]
    source = endpoint(arrivals, script=script)
    polls = [source.poll() for _ in script]
    assert [time for _, time in polls] == [10, 11, 11, 11, 12]
    assert numbers(polls[1][0].body) == [0]
    assert numbers(polls[4][0].body) == [1, 0]
    assert (source.status().served, source.status().errors) == (2, 3)


def test_in_real_time_the_feed_goes_on_between_polls(arrival: MakeArrival) -> None:
    clock = ManualClock()
    source = endpoint([arrival(10.5, n=1), arrival(20.5, n=2)], mode=ClockMode.REAL, clock=clock)
    clock.advance(3600)
    assert source.poll()[1] == 10.5
    clock.advance(1)
    answer, time = source.poll()
    assert (numbers(answer.body), time) == ([2, 1], 20.5)


def test_before_the_first_poll_nothing_has_happened(arrival: MakeArrival) -> None:
    def arrivals() -> Iterable[Arrival]:
        pytest.fail("read before the first poll")
        yield arrival(1.0)

    assert endpoint(arrivals()).status() == Status(
        served=0,
        errors=0,
        clock=None,
        exhausted=False,
        transactions=0,
        first_arrival_at=None,
        last_arrival_at=None,
        newest_time=None,
    )


def test_the_status_tells_the_end_of_a_replay(arrival: MakeArrival) -> None:
    source = endpoint([arrival(10.5), arrival(11.5, time=10**10)])
    source.poll()
    assert not source.status().exhausted
    source.poll()
    assert source.status() == Status(
        served=2,
        errors=0,
        clock=12,
        exhausted=True,
        transactions=2,
        first_arrival_at=10.5,
        last_arrival_at=11.5,
        newest_time=10,
    )


def test_an_empty_source_is_fatal() -> None:
    with pytest.raises(FatalError, match="no transactions"):
        endpoint([]).poll()
