"""Waiting for other threads and processes."""

import threading
from collections.abc import Callable

from faust_microbatch.clock import SystemClock

PATIENCE_S = 90.0
LOOK_S = 0.01


def wait_until(is_true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + within_s
    while not is_true():
        assert clock.monotonic() < deadline, "took too long"
        clock.wait(never, LOOK_S)


def pause(seconds: float) -> None:
    """Let a fault last; nothing is expected to happen in between."""
    SystemClock().wait(threading.Event(), seconds)
