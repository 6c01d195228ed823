"""Histories of the pipeline: every one ends with nothing lost and nothing counted twice."""

import os
from collections.abc import Iterator

import pytest

from tests.simulation.runs import Scenario, Simulation, silent_logs

SEEDS = int(os.environ.get("SIMULATED_SEEDS", "10000")) // 2
"""Of each kind of worker; the same ones in every run."""

FEWEST_TRANSACTIONS = 20
"""Of a history, on average."""


@pytest.fixture(scope="module")
def simulation() -> Iterator[Simulation]:
    with silent_logs(), Simulation() as simulation:
        yield simulation


def run(simulation: Simulation, seeds: range) -> None:
    before = simulation.totals.transactions
    for seed in seeds:
        if failure := simulation.run(Scenario(seed=seed)):
            pytest.fail(str(simulation.shrink(failure)))
    assert simulation.totals.transactions - before > FEWEST_TRANSACTIONS * len(seeds)


@pytest.mark.integration
@pytest.mark.timeout(1800)
class TestWorkersWithNames:
    def test_nothing_is_lost_and_nothing_counted_twice(self, simulation: Simulation) -> None:
        run(simulation, range(1, 2 * SEEDS, 2))


@pytest.mark.integration
@pytest.mark.timeout(1800)
class TestWorkersWithoutNames:
    def test_nothing_is_lost_and_nothing_counted_twice(self, simulation: Simulation) -> None:
        run(simulation, range(0, 2 * SEEDS, 2))


@pytest.mark.integration
@pytest.mark.parametrize("seed", [0, 1])
def test_a_process_may_die_at_any_single_call(simulation: Simulation, seed: int) -> None:
    failures = list(simulation.every_crash(seed))
    assert len(failures) > 100
    for failure in filter(None, failures):
        pytest.fail(str(failure))


def test_a_seed_gives_the_same_history_again(simulation: Simulation) -> None:
    histories = []
    for _ in range(2):
        world, failure = simulation._run(Scenario(seed=7))
        assert failure is None
        histories.append((world.history, world.calls, world.ledger))
    assert histories[0] == histories[1]
    assert histories[0][1] > 100


def test_a_few_histories_in_the_quick_gate(simulation: Simulation) -> None:
    run(simulation, range(50))
