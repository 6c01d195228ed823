"""Looks at a run from outside and says what it came to.

The output says twenty times a second how far it has come, and the operating system what the
processes have used. Starting up is not counted: the clock runs from the first look at which
work had shown to the first at which all output was visible.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import psutil  # type: ignore[import-untyped]

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock

LOOK_S = 0.05
QUIET_S = 1.0
"""That long nothing new: what is left may be no output, but markers. Count it."""

STUCK_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What an output holds when it is read from end to end.

    Attributes:
        missing: What the input had and the output lacks.
        duplicates: What the output has more than once.
    """

    missing: int
    duplicates: int


class Output(Protocol):
    """What a run makes."""

    @property
    def expected(self) -> int:
        """What ``visible`` comes to at least when the run is complete."""
        ...

    def done(self) -> float:
        """Return the share of the work that shows as done; asked until it is not 0."""
        ...

    def visible(self) -> int:
        """Return how far a reader could read now: grows with the work done, cheap to ask."""
        ...

    def count(self) -> Count:
        """Read it all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen at one moment.

    Attributes:
        at_s: Monotonic clock.
        done: As the output said when it first was not 0; 0 before.
        visible: As the output said.
        cpu_s: CPU time of the processes since they started, user and system.
        memory_bytes: Their resident memory.
    """

    at_s: float
    done: float
    visible: int
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run came to.

    Attributes:
        records_per_s: Input records handled a second.
        cpu_us_per_record: CPU time of the processes per input record, microseconds.
        memory_mib: Most resident memory seen, MiB.
        count: What the output held at the end.
    """

    records_per_s: float
    cpu_us_per_record: float
    memory_mib: float
    count: Count


def figures(looks: Sequence[Look], *, records: int, count: Count) -> Figures:
    """Work out a run's figures.

    Args:
        looks: In order, the first from before the work began.
        records: How many records the input has.
        count: What the output held at the end.
    """
    total = looks[-1].visible
    last = next(look for look in looks if look.visible == total)
    first = next(look for look in looks if look.done)
    if first is last or first.done == 1:  # all at once: it was done since the look before
        first = replace(looks[looks.index(first) - 1], done=0)
    handled = records * (1 - first.done)  # what is done already was done before the clock started
    return Figures(
        records_per_s=handled / (last.at_s - first.at_s),
        cpu_us_per_record=(last.cpu_s - first.cpu_s) * 1e6 / handled,
        memory_mib=max(look.memory_bytes for look in looks) / 2**20,
        count=count,
    )


def measure(pids: Sequence[int], output: Output, *, records: int, clock: Clock) -> Figures:
    """Look at processes until ``output`` is complete, or grows no more; they run on.

    Raises:
        FatalError: A process ended, or there was no output at all.
    """
    processes = [psutil.Process(pid) for pid in pids]
    looks: list[Look] = []
    grown_at_s = clock.monotonic()
    counted: Count | None = None
    while True:
        look = _look(processes, output, clock, done=looks[-1].done if looks else 0)
        if look.visible > (looks[-1].visible if looks else 0):
            grown_at_s, counted = look.at_s, None
        looks.append(look)
        quiet_s = look.at_s - grown_at_s
        if counted is None and look.visible >= output.expected and quiet_s >= QUIET_S:
            counted = output.count()
            if not counted.missing:
                return figures(looks, records=records, count=counted)
        if quiet_s >= STUCK_S:
            if not look.visible:
                raise FatalError(f"no output within {STUCK_S:.0f} s")
            return figures(looks, records=records, count=counted or output.count())
        clock.wait(threading.Event(), LOOK_S)


def _look(
    processes: Sequence[psutil.Process], output: Output, clock: Clock, *, done: float
) -> Look:
    done = done or output.done()
    visible, at_s = output.visible(), clock.monotonic()
    cpu_s, memory_bytes = 0.0, 0
    for process in processes:
        if process.status() == psutil.STATUS_ZOMBIE:  # our own children, not yet waited for
            raise FatalError(f"process {process.pid} ended by itself")
        times = process.cpu_times()
        cpu_s += times.user + times.system
        memory_bytes += process.memory_info().rss
    return Look(
        at_s=at_s,
        done=done,
        visible=visible,
        cpu_s=cpu_s,
        memory_bytes=memory_bytes,
    )
