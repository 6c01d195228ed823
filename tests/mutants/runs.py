"""Runs tests on copies of the checkout, one planted bug at a time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import TypeVar

from tests.mutants.mutant import Mutant
from txfeatures.process.clock import SystemClock

T = TypeVar("T")
R = TypeVar("R")

REPOSITORY = Path(__file__).parents[2]
LONGEST_S = 1_800
"""Limit on tests without a bug."""

SLOWER, SLACK_S = 5, 60
"""A bug may make a test wait for ever: that is noticed after so many times the duration without it,
and so many seconds."""

SEEDS = 800
"""Seeds of the simulation for one mutant; those that it must notice fail within a few hundred."""

TESTS_FAILED = 1
"""pytest's exit code; others mean that the tests could not be collected or run."""

_LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "node_modules")


class Verdict(StrEnum):
    """The outcome of the tests of one mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The verdict on one mutant, and the end of pytest's output."""

    mutant: Mutant
    verdict: Verdict
    output: str


class BrokenTestsError(Exception):
    """Tests fail without any planted bug, so that their failure would prove nothing."""


def run(mutants: Sequence[Mutant], *, jobs: int) -> Iterator[Result]:
    """Yield the result of each mutant, as they come in.

    Raises:
        BrokenTestsError: Their tests fail without a bug.
        StaleMutantError: A mutant no longer applies.
    """
    with _copies(jobs) as copies, ThreadPoolExecutor(jobs) as pool:
        tests = list(dict.fromkeys(mutant.tests for mutant in mutants))
        durations = pool.map(lambda arguments: _in_copy(copies, _check, arguments), tests)
        limits = {each: SLOWER * d + SLACK_S for each, d in zip(tests, durations, strict=True)}

        def judge(copy: Path, mutant: Mutant) -> Result:
            return _judge(copy, mutant, limit_s=limits[mutant.tests])

        yield from pool.map(lambda mutant: _in_copy(copies, judge, mutant), mutants)


def _judge(copy: Path, mutant: Mutant, *, limit_s: float) -> Result:
    path = copy / mutant.file
    source = path.read_text()
    path.write_text(mutant.planted(source))
    try:
        code, output = _pytest(copy, mutant.tests, limit_s=limit_s)
    finally:
        path.write_text(source)
    verdict = {0: Verdict.SURVIVED, TESTS_FAILED: Verdict.KILLED}.get(code, Verdict.BROKEN)
    return Result(mutant=mutant, verdict=verdict, output=output)


def _check(copy: Path, tests: tuple[str, ...]) -> float:
    """Return for how many seconds the tests run without a bug."""
    clock = SystemClock()
    began = clock.monotonic()
    code, output = _pytest(copy, tests, limit_s=LONGEST_S)
    if code != 0:
        raise BrokenTestsError(f"without a bug, pytest {' '.join(tests)}:\n{output}")
    return clock.monotonic() - began


def _pytest(copy: Path, tests: Sequence[str], *, limit_s: float) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=_environment(copy),
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return TESTS_FAILED, f"not done within {limit_s:.0f} s"
    return done.returncode, (done.stdout + done.stderr)[-3000:]


def _environment(copy: Path) -> dict[str, str]:
    """Return an environment in which all imports of this repository come from ``copy``."""
    roots = [copy, copy / "src", *copy.glob("services/*"), *copy.glob("packages/*/src")]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "PYTHONPATH": os.pathsep.join(map(str, roots)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SIMULATED_SEEDS": str(SEEDS),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / ".hypothesis"),
    }


@contextmanager
def _copies(jobs: int) -> Iterator["SimpleQueue[Path]"]:
    free: SimpleQueue[Path] = SimpleQueue()
    with TemporaryDirectory(prefix="txfeatures-mutants-") as folder:
        for job in range(jobs):
            copy = Path(folder) / str(job)
            shutil.copytree(REPOSITORY, copy, ignore=_LEFT_OUT, symlinks=True)
            shutil.copy(REPOSITORY / ".importlinter", copy)
            free.put(copy)
        yield free


def _in_copy(free: "SimpleQueue[Path]", work: Callable[[Path, T], R], subject: T) -> R:
    copy = free.get()
    try:
        return work(copy, subject)
    finally:
        free.put(copy)
