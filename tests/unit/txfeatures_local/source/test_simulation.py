import itertools
import statistics
from collections import Counter

import msgspec
import pytest

from txfeatures.archive.recording import Arrival
from txfeatures.process.clock import ManualClock
from txfeatures_local.source.simulation import simulate

START_S = 1_700_000_000.25
SECONDS = 2 * 3600


class Tx(msgspec.Struct):
    hash: str
    fee: int
    weight: int
    time: int


@pytest.fixture(scope="module")
def arrivals() -> list[Arrival]:
    stream = simulate(clock=ManualClock(START_S), seed=7)
    return list(itertools.takewhile(lambda a: a.arrived_at < START_S + SECONDS, stream))


@pytest.fixture(scope="module")
def txs(arrivals: list[Arrival]) -> list[Tx]:
    return [msgspec.json.decode(arrival.tx, type=Tx) for arrival in arrivals]


def test_the_same_seed_makes_the_same_arrivals_and_another_makes_others() -> None:
    one, same, other = (
        list(itertools.islice(simulate(clock=ManualClock(), seed=seed), 50)) for seed in (1, 1, 2)
    )
    assert [bytes(a.tx) for a in one] == [bytes(a.tx) for a in same]
    assert {a.hash for a in one}.isdisjoint(a.hash for a in other)


def test_it_starts_at_the_present_time_of_the_first_question() -> None:
    clock = ManualClock()
    stream = simulate(clock=clock)
    clock.advance(60)
    assert next(stream).arrived_at == 1_700_000_060


def test_arrivals_are_in_order_and_no_hash_comes_twice(arrivals: list[Arrival]) -> None:
    moments = [arrival.arrived_at for arrival in arrivals]
    assert moments == sorted(moments)
    assert len({arrival.hash for arrival in arrivals}) == len(arrivals)


def test_arrivals_are_as_many_and_as_bursty_as_the_networks(arrivals: list[Arrival]) -> None:
    counts = Counter(int(arrival.arrived_at - START_S) for arrival in arrivals)
    per_second = [counts[second] for second in range(SECONDS)]
    mean = statistics.mean(per_second)
    assert 6.5 < mean < 7.5
    assert 9.5 < statistics.pvariance(per_second) / mean < 13
    assert max(per_second) >= 70
    assert per_second.count(0) > SECONDS / 10


def test_the_rate_can_be_chosen() -> None:
    stream = simulate(clock=ManualClock(0), rate_per_s=1.0)
    count = sum(1 for _ in itertools.takewhile(lambda a: a.arrived_at < SECONDS, stream))
    assert 0.8 < count / SECONDS < 1.2


def test_time_is_the_second_of_arrival_but_for_a_few_that_are_off_by_one_or_two(
    arrivals: list[Arrival],
) -> None:
    offsets = Counter(arrival.time - int(arrival.arrived_at) for arrival in arrivals)
    assert set(offsets) == {-2, -1, 0, 1, 2}
    assert 0.02 < 1 - offsets[0] / len(arrivals) < 0.04


def test_fee_rates_spread_as_the_networks(txs: list[Tx]) -> None:
    rates = sorted(tx.fee * 4 / tx.weight for tx in txs)
    assert rates[0] > 0.99
    assert 7 < statistics.median(rates) < 9
    assert 15 < rates[len(rates) * 95 // 100] < 40


def test_transactions_are_of_the_recorded_size_and_a_few_are_huge(arrivals: list[Arrival]) -> None:
    lengths = sorted(len(bytes(arrival.tx)) for arrival in arrivals)
    assert 1_000 < statistics.median(lengths) < 1_600
    assert 2 < sum(length > 200_000 for length in lengths) < 25
    assert lengths[-1] > 1_000_000
