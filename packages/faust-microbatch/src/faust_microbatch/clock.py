"""Injected time: the only module of this package that reads the machine's clock or waits."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A source of time, and of waiting."""

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
