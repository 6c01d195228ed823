"""Runs of seeds: one, many, the smallest that fails, and every single crash of a small world."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Self

import structlog

from tests.simulation.check import check
from tests.simulation.pipeline import STEPS, Kind, Pipeline, kinds
from tests.simulation.world import FAULTS, NO_FAULTS, START_S, Faults, World

SMALL_STEPS = 60
"""Steps of the world in which every call is tried as the moment of a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What has to be known to make a history happen again.

    Attributes:
        seed: Its seed; workers of odd seeds keep their names.
        steps: Steps before the world is healed.
        faults: The chances of faults.
        crash_at: The one call at which a process dies, None for none.
    """

    seed: int
    steps: int = STEPS
    faults: Faults = FAULTS
    crash_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A history whose end is wrong."""

    scenario: Scenario
    error: AssertionError
    history: Sequence[str]

    def __str__(self) -> str:
        return "\n".join([f"{self.scenario}: {self.error}", *self.history])


@dataclass(slots=True)
class Totals:
    """What the histories added up to."""

    transactions: int = 0
    simulated_s: float = 0.0
    events: int = 0


class Simulation:
    """The apps of the services, for one history after another; a context manager."""

    def __init__(self) -> None:
        self._kinds: Sequence[Kind] = kinds()
        self.totals = Totals()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for kind in self._kinds:
            for seat in kind.seats:
                seat.close()

    def run(self, scenario: Scenario) -> Failure | None:
        """Run one history; return its failure."""
        world, failure = self._run(scenario)
        self.totals.transactions += len(world.ledger)
        self.totals.simulated_s += world.clock.now() - START_S
        self.totals.events += len(world.history)
        return failure

    def every_crash(self, seed: int) -> Iterator[Failure | None]:
        """Run a small world once for each call that a process makes in it, and dies at."""
        quiet = Scenario(seed=seed, steps=SMALL_STEPS, faults=NO_FAULTS)
        world, _ = self._run(quiet)
        for call in range(1, world.calls + 1):
            yield self.run(replace(quiet, crash_at=call))

    def shrink(self, failure: Failure) -> Failure:
        """Return the failure with fewer steps and kinds of fault, as far as it still fails."""
        for fault in ("strike", "expiry", "failure", "crash"):
            without = replace(failure.scenario.faults, **{fault: 0.0})
            failure = self._smaller(failure, replace(failure.scenario, faults=without))
        for steps in range(5, failure.scenario.steps, 5):
            smaller = self._smaller(failure, replace(failure.scenario, steps=steps))
            if smaller is not failure:
                return smaller
        return failure

    def _smaller(self, failure: Failure, scenario: Scenario) -> Failure:
        return self._run(scenario)[1] or failure

    def _run(self, scenario: Scenario) -> tuple[World, Failure | None]:
        world = World(scenario.seed, faults=scenario.faults, crash_at=scenario.crash_at)
        pipeline = Pipeline(
            world, self._kinds, is_named=scenario.seed % 2 == 1, steps=scenario.steps
        )
        try:
            pipeline.run()
            check(pipeline)
        except AssertionError as error:
            return world, Failure(scenario=scenario, error=error, history=world.history)
        return world, None


@contextmanager
def silent_logs() -> Iterator[None]:
    """Drop log events: the history is the log."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        structlog.configure(**before)


def _drop(*_: object) -> structlog.typing.EventDict:
    raise structlog.DropEvent
