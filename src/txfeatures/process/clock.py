"""Injected time: the only module that reads the machine's clock or waits.

Decisions of the stream never use it: their clock is the feed clock, which is the
timestamp of every record. This clock paces polls, retries and metrics.
"""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time, and a way to wait."""

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never decrease, to measure durations."""
        ...

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait until ``stop`` is set or ``timeout_s`` has passed; return whether it is set."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        return time.monotonic()

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait on ``stop`` for at most ``timeout_s`` seconds."""
        return stop.wait(max(0.0, timeout_s))


class ManualClock:
    """A clock for tests that only `advance` and `wait` move; a wait returns at once."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._start = now
        self._now = now

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds since the creation of this clock."""
        return self._now - self._start

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Advance by ``timeout_s`` unless ``stop`` is set."""
        if not stop.is_set():
            self.advance(max(0.0, timeout_s))
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        """Advance by ``seconds``."""
        self._now += seconds
