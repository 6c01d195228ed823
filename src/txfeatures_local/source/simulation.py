"""An endless stream of arrivals, as bursty as the network's."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from txfeatures.archive.recording import Arrival
from txfeatures.process.clock import Clock
from txfeatures_local.source import simulated_tx

# Nodes relay in batches: the arrivals per second of a recorded node have 10.9 times the
# variance of independent ones at the same mean. A Poisson count whose rate is itself drawn,
# from a gamma distribution of this scale, has exactly 1 + scale times.
_BURSTINESS = 9.9

_MINT_SHARE = 1 / 1_800  # of seconds: a burst like the recorded one, twice an hour
_MINT_LENGTH = 70
_CONSOLIDATION_SHARE = 1 / 5_000  # of transactions
_SKEW_SHARE = 0.03  # of transactions: another server of the source saw them first or last
_SKEWS_S = (-2, -1, 1, 2)


def simulate(*, clock: Clock, seed: int = 0, rate_per_s: float = 7.0) -> Iterator[Arrival]:
    """Yield arrivals for ever, the first at the time of ``clock``.

    Nothing waits: arrivals carry their time, and the replay's clock decides when they are
    shown. The same seed makes the same transactions at the same distances in time.

    Args:
        clock: Read once, for the first arrival.
        seed: Seed of every random choice.
        rate_per_s: Mean number of arrivals a second, bursts of mints left out.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    second_s = clock.now()
    # At the very start, so that a feed's clock, which starts at the first arrival, is right.
    yield _arrival(second_s, simulated_tx.payment(rng, time=int(second_s)))
    while True:
        for arrived_at in _arrival_times(rng, second_s, rate_per_s):
            yield _arrival(arrived_at, _any_transaction(rng, int(arrived_at)))
        second_s += 1
        if rng.random() < _MINT_SHARE:
            for tx in simulated_tx.mint_chain(rng, length=_MINT_LENGTH, time=int(second_s)):
                yield _arrival(second_s, tx)


def _arrival_times(rng: random.Random, second_s: float, rate_per_s: float) -> Iterator[float]:
    """Yield the moments of one second's arrivals, in order: Poisson at a gamma-drawn rate."""
    rate = rng.gammavariate(rate_per_s / _BURSTINESS, _BURSTINESS)
    elapsed_s = 0.0
    while rate > 0 and (elapsed_s := elapsed_s + rng.expovariate(rate)) < 1:
        yield second_s + elapsed_s


def _any_transaction(rng: random.Random, second: int) -> dict[str, Any]:
    time = second + (rng.choice(_SKEWS_S) if rng.random() < _SKEW_SHARE else 0)
    if rng.random() < _CONSOLIDATION_SHARE:
        return simulated_tx.consolidation(rng, time=time)
    return simulated_tx.payment(rng, time=time)


def _arrival(arrived_at: float, tx: dict[str, Any]) -> Arrival:
    return Arrival.of(arrived_at=round(arrived_at, 3), tx=msgspec.Raw(msgspec.json.encode(tx)))
