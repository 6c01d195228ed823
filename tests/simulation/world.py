"""The world of one seed: the broker, the processes, the stores, and the ledger of the truth."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.simulation.broker import Broker, Crashed
from tests.simulation.clients import FAILURES
from txfeatures.domain import topics as names
from txfeatures.process.clock import ManualClock

START_S = 1_729_334_970
PARTITIONS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Chances of faults, from 0 to 1.

    Attributes:
        crash: A process dies at a call.
        failure: A call fails for now, before or after it has had its effect.
        strike: A step of the scheduler kills, stops, pauses or evicts a worker.
        expiry: A step of the scheduler lets a transaction expire that is open.
    """

    crash: float = 0.004
    failure: float = 0.02
    strike: float = 0.05
    expiry: float = 0.01


FAULTS = Faults()
NO_FAULTS = Faults(crash=0.0, failure=0.0, strike=0.0, expiry=0.0)


class World:
    """Everything that a seed decides about.

    Args:
        seed: Decides every step and every fault.
        faults: The chances of faults until the world is healed.
        crash_at: The one call, counted from 1, at which a process dies; for worlds without
            other faults.

    Attributes:
        ledger: Hash -> transaction that the source has shown, noted before anything is sent.
        history: Everything that happened, in order.
    """

    def __init__(self, seed: int, *, faults: Faults = FAULTS, crash_at: int | None = None) -> None:
        self.random = random.Random(seed)
        self.clock = ManualClock(START_S)
        self.broker = Broker(
            {topic.name: PARTITIONS if topic.scales else 1 for topic in names.TOPICS}
        )
        self.ledger: dict[str, dict[str, Any]] = {}
        self.faults = faults
        self.calls = 0
        self._crash_at = crash_at
        self.history: list[str] = []

    def fault(self, owner: str) -> Callable[[str], None]:
        """Return the hook of a process's clients."""

        def strike(call: str) -> None:
            self.calls += 1
            chance = self.random.random()
            if chance < self.faults.crash or self.calls == self._crash_at:
                self.note(f"{owner} dies at {call}")
                raise Crashed(owner)
            if call == "restore":
                if chance < 0.5:
                    self.pass_time()
            elif chance < self.faults.crash + self.faults.failure and call in FAILURES:
                self.note(f"{owner}: {call} fails")
                raise FAILURES[call]()

        return strike

    def note(self, event: str) -> None:
        """Add to the history."""
        self.history.append(event)

    def pass_time(self) -> None:
        """Write a marker, or else let a transaction that hangs expire."""
        if self.broker.decided:
            self.write_marker()
        else:
            self.expire_one()

    def write_marker(self) -> None:
        """Write one marker of a decided transaction."""
        transaction = self.random.choice(self.broker.decided)
        place = self.random.choice(sorted(transaction.unmarked, key=str))
        self.broker.mark(transaction, place)

    def expire_one(self) -> None:
        """Abort the transaction that has been open for longest."""
        open_ = [n for n, p in self.broker.producers.items() if p.transaction is not None]
        if open_:
            self.note(f"the transaction of {open_[0]} expires")
            self.broker.expire(open_[0])

    def settle(self) -> None:
        """Let every transaction expire that is open, and write all markers."""
        while any(producer.transaction for producer in self.broker.producers.values()):
            self.expire_one()
        while self.broker.decided:
            self.write_marker()
