import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from bench.measure import SAMPLE_S, STUCK_S, Count, Figures, Sample, figures, measure
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock

NOTHING_WRONG = Count(missing=0, duplicates=0)


def samples(visible: Sequence[int], *, cpu_s: Sequence[float]) -> list[Sample]:
    return [
        Sample(
            at_s=number,
            done=0.2 if seen else 0,
            visible=seen,
            cpu_s=used,
            memory_bytes=number << 20,
        )
        for number, (seen, used) in enumerate(zip(visible, cpu_s, strict=True))
    ]


@dataclass
class ScriptedOutput:
    """An output that shows one scripted number per sample, and then the last one."""

    script: list[int]
    expected: int
    begins_at: int = 10**9
    missing: list[int] = field(default_factory=list)
    samples: int = 0

    def done(self) -> float:
        self.samples += 1
        return max(self.script[0] / self.expected, 0.5 * (self.samples >= self.begins_at))

    def visible(self) -> int:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def count(self) -> Count:
        missing = self.missing.pop(0) if self.missing else self.expected - self.script[0]
        return Count(missing=max(0, missing), duplicates=3)


def run(output: ScriptedOutput, *, records: int = 100) -> Figures:
    return measure([os.getpid()], output, records=records, clock=ManualClock())


def test_the_clock_runs_from_the_first_output_to_the_last() -> None:
    found = figures(
        samples([0, 0, 20, 60, 100, 100], cpu_s=[5, 6, 7, 8, 9, 20]),
        records=1000,
        count=NOTHING_WRONG,
    )
    assert found.records_per_s == 800 / 2  # a fifth was worked on before the clock started
    assert found.cpu_us_per_record == 2e6 / 800
    assert found.memory_mib == 5


def test_output_that_comes_all_at_once_is_timed_from_the_look_before() -> None:
    found = figures(samples([0, 0, 100], cpu_s=[0, 1, 2]), records=50, count=NOTHING_WRONG)
    assert found.records_per_s == 50
    assert found.cpu_us_per_record == 1e6 / 50


def test_work_that_shows_before_the_output_starts_the_clock() -> None:
    begun = [
        Sample(at_s=at_s, done=0.25 * (at_s >= 1), visible=seen, cpu_s=0, memory_bytes=0)
        for at_s, seen in enumerate([0, 0, 0, 100])
    ]
    assert figures(begun, records=100, count=NOTHING_WRONG).records_per_s == 75 / 2


def test_work_that_was_all_done_when_it_first_showed_is_timed_from_the_look_before() -> None:
    begun = [
        Sample(at_s=at_s, done=float(at_s >= 2), visible=seen, cpu_s=at_s, memory_bytes=0)
        for at_s, seen in enumerate([0, 0, 0, 100])
    ]
    found = figures(begun, records=100, count=NOTHING_WRONG)
    assert (found.records_per_s, found.cpu_us_per_record) == (50, 2e4)


def test_it_looks_until_the_output_is_complete() -> None:
    output = ScriptedOutput([0, 0, 50, 100], expected=100)
    found = run(output)
    assert found.count == Count(missing=0, duplicates=3)
    assert found.records_per_s == pytest.approx(50 / SAMPLE_S)
    assert found.memory_mib > 0


def test_the_share_that_was_done_when_work_first_showed_is_taken_off() -> None:
    output = ScriptedOutput([0, 0, 0, 100], expected=100, begins_at=2)
    assert run(output).records_per_s == pytest.approx(50 / (2 * SAMPLE_S))
    assert output.samples == 2


def test_markers_in_the_count_do_not_end_a_run_too_early() -> None:
    quiet = [104] * 30
    output = ScriptedOutput([0, 50, *quiet, 110], expected=100, missing=[4, 0])
    found = run(output)
    assert found.count.missing == 0
    assert output.script == [110]


def test_output_that_stays_incomplete_is_told_as_missing() -> None:
    clock = ManualClock()
    started_s = clock.monotonic()
    output = ScriptedOutput([0, 50, 90], expected=100)
    found = measure([os.getpid()], output, records=100, clock=clock)
    assert found.count.missing == 10
    assert clock.monotonic() - started_s >= STUCK_S


def test_no_output_at_all_is_an_error() -> None:
    with pytest.raises(FatalError, match="no output within 60 s"):
        run(ScriptedOutput([0], expected=100))


def test_a_process_that_ended_is_an_error() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    try:
        with pytest.raises(FatalError, match="ended by itself"):
            measure(
                [ended.pid],
                ScriptedOutput([0], expected=1),
                records=1,
                clock=_WaitingClock(ended),
            )
    finally:
        ended.wait()


class _WaitingClock(ManualClock):
    """A clock that waits for the end of a process, without reaping it, before each answer."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__()
        self._process = process

    def monotonic(self) -> float:
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        return super().monotonic()
