"""Measurement of a run from outside.

Twenty times a second it samples the progress of the output, and the CPU and memory of the
processes. The start is not counted: the clock runs from the first sample that shows progress
to the first at which all output is visible.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import psutil  # type: ignore[import-untyped]

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock

SAMPLE_S = 0.05
QUIET_S = 1.0
"""Time without new output after which it is counted: the rest may be transaction markers."""

STUCK_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The contents of an output, read from end to end.

    Attributes:
        missing: Items of the input that the output lacks.
        duplicates: Items that the output has more than once.
    """

    missing: int
    duplicates: int


class Output(Protocol):
    """The output of a run."""

    @property
    def expected(self) -> int:
        """The least value of ``visible`` of a complete run."""
        ...

    def done(self) -> float:
        """Return the share of the work done so far; called until it is not 0."""
        ...

    def visible(self) -> int:
        """Return the visible amount of output, which grows with the work done; cheap."""
        ...

    def count(self) -> Count:
        """Count the whole output."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The state of a run at one moment.

    Attributes:
        at_s: Monotonic clock.
        done: First value of ``Output.done`` above 0; 0 before.
        visible: ``Output.visible``.
        cpu_s: CPU time of the processes since they started, user and system.
        memory_bytes: Resident memory of the processes.
    """

    at_s: float
    done: float
    visible: int
    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a run.

    Attributes:
        records_per_s: Input records handled per second.
        cpu_us_per_record: CPU time of the processes per input record, microseconds.
        memory_mib: Largest resident memory of a sample, MiB.
        count: Contents of the output at the end.
    """

    records_per_s: float
    cpu_us_per_record: float
    memory_mib: float
    count: Count


def figures(samples: Sequence[Sample], *, records: int, count: Count) -> Figures:
    """Return the figures of a run.

    Args:
        samples: In order, the first from before the work began.
        records: Number of input records.
        count: Contents of the output at the end.
    """
    total = samples[-1].visible
    last = next(sample for sample in samples if sample.visible == total)
    first = next(sample for sample in samples if sample.done)
    if first is last or first.done == 1:  # all was done between two samples
        first = replace(samples[samples.index(first) - 1], done=0)
    handled = records * (1 - first.done)  # the work before the first sample isn't timed
    return Figures(
        records_per_s=handled / (last.at_s - first.at_s),
        cpu_us_per_record=(last.cpu_s - first.cpu_s) * 1e6 / handled,
        memory_mib=max(sample.memory_bytes for sample in samples) / 2**20,
        count=count,
    )


def measure(pids: Sequence[int], output: Output, *, records: int, clock: Clock) -> Figures:
    """Sample processes, which keep running, until ``output`` is complete or stops growing.

    Raises:
        FatalError: A process ended, or there was no output at all.
    """
    processes = [psutil.Process(pid) for pid in pids]
    grown_at_s = clock.monotonic()
    # A small job can be done before the first look at the broker returns.
    samples = [Sample(at_s=grown_at_s, done=0, visible=0, cpu_s=0, memory_bytes=0)]
    counted: Count | None = None
    while True:
        sample = _sample(processes, output, clock, done=samples[-1].done)
        if sample.visible > samples[-1].visible:
            grown_at_s, counted = sample.at_s, None
        samples.append(sample)
        quiet_s = sample.at_s - grown_at_s
        if counted is None and sample.visible >= output.expected and quiet_s >= QUIET_S:
            counted = output.count()
            if not counted.missing:
                return figures(samples, records=records, count=counted)
        if quiet_s >= STUCK_S:
            if not sample.visible:
                raise FatalError(f"no output within {STUCK_S:.0f} s")
            return figures(samples, records=records, count=counted or output.count())
        clock.wait(threading.Event(), SAMPLE_S)


def _sample(
    processes: Sequence[psutil.Process], output: Output, clock: Clock, *, done: float
) -> Sample:
    done = done or output.done()
    visible, at_s = output.visible(), clock.monotonic()
    cpu_s, memory_bytes = 0.0, 0
    for process in processes:
        if process.status() == psutil.STATUS_ZOMBIE:  # a child that has ended
            raise FatalError(f"process {process.pid} ended by itself")
        times = process.cpu_times()
        cpu_s += times.user + times.system
        memory_bytes += process.memory_info().rss
    return Sample(
        at_s=at_s,
        done=done,
        visible=visible,
        cpu_s=cpu_s,
        memory_bytes=memory_bytes,
    )
