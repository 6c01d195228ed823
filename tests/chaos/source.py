"""The source of a chaos run: the ledger's newest transactions, and its bad days."""

import threading
from pathlib import Path

from tests.chaos.ledger import Ledger, Load
from txfeatures.process.clock import SystemClock
from txfeatures_local.source.faults import Answer, Fault, Faults
from txfeatures_local.source.server import SourceServer


class Switch(Faults):
    """A fault that is switched on and off, and a count of the polls that it met."""

    def __init__(self) -> None:
        super().__init__()
        self.fault: Fault | None = None
        self.met = 0

    def next(self) -> Fault | None:
        self.met += self.fault is not None
        return self.fault


class ChaosSource(SourceServer):
    """The endpoint over a ledger, whose clock can be wrong and which can hang.

    While it hangs, fails or has a wrong clock that pollers refuse, it shows nothing new: what
    an endpoint shows to nobody, nobody can have lost.
    """

    def __init__(self, folder: Path, *, seed: int, per_second: int, visible: int) -> None:
        self.ledger = Ledger(folder / "ledger.sqlite")
        self.load = Load(self.ledger, seed=seed, per_second=per_second)
        self.switch = Switch()
        self.clock_error_s = 0
        self.answers = threading.Event()
        self.answers.set()
        self.hung = 0
        self.misdated = 0
        super().__init__(
            self.load.arrivals(), clock=SystemClock(), faults=self.switch, visible=visible
        )

    def poll(self) -> tuple[Answer, float | None]:
        if not self.answers.is_set():
            self.hung += 1
            self.answers.wait()
        answer, feed_time_s = super().poll()
        if feed_time_s is None:
            return answer, None
        self.ledger.shown(int(feed_time_s))
        self.misdated += self.clock_error_s != 0
        return answer, feed_time_s + self.clock_error_s

    @property
    def feed_time_s(self) -> float:
        """The feed's time, epoch seconds; 0 before the first poll."""
        return self.status().clock or 0.0
