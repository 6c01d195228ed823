"""Injected time: the only module of this package that reads the machine's clock or waits."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time that can also wait."""

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring durations."""
        ...

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait until ``stop`` is set or ``timeout_s`` has passed; return whether it is set."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Wait on ``stop`` for at most ``timeout_s`` seconds."""
        return stop.wait(max(0.0, timeout_s))


class ManualClock:
    """A clock for tests that moves only by ``advance``; waiting advances it at once."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._start = now
        self._now = now

    def now(self) -> float:
        """Return the time of day in epoch seconds."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds since this clock was made."""
        return self._now - self._start

    def wait(self, stop: threading.Event, timeout_s: float) -> bool:
        """Advance by ``timeout_s`` unless ``stop`` is set already."""
        if not stop.is_set():
            self.advance(max(0.0, timeout_s))
        return stop.is_set()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._now += seconds
