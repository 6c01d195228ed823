"""What all kinds of faults need: waiting, stopping processes, and the admission of no effect."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.chaos.stand import Stand


class NoEffectError(Exception):
    """The fault did not happen; the message is the reason."""


def wait(stand: Stand, seconds: float) -> None:
    """Let a fault last."""
    stand.clock.wait(stand.stopped, seconds)


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes with SIGSTOP; SIGCONT wakes those that are still there."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def require_frozen(name: str, pid: int) -> None:
    """Raise NoEffectError unless a process is stopped now."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    if state != "T":
        raise NoEffectError(f"{name} was in state {state}, not stopped")


def count_in_log(stand: Stand, name: str, words: str) -> int:
    """Return how often a service has logged ``words``, in all of its lives."""
    return stand.parts[name].log.read_text(errors="replace").count(words)
