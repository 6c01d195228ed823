"""Waiting for something that happens elsewhere."""

import threading
from collections.abc import Callable

from txfeatures.process.clock import SystemClock

LOOK_S = 0.05


def wait_until(is_true: Callable[[], bool], *, patience_s: float = 60.0) -> None:
    """Look until ``is_true``; fail when ``patience_s`` have passed."""
    clock, never = SystemClock(), threading.Event()
    deadline_s = clock.monotonic() + patience_s
    while not is_true():
        assert clock.monotonic() < deadline_s, f"not within {patience_s} s"
        clock.wait(never, LOOK_S)
