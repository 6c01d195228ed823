"""A process of its own that meets a hostile server, so that its memory can be measured."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.shared_data import REPOSITORY

MAX_GROWTH_MIB = 200
MEBIBYTE = 2**20

NEEDS_LINUX = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs Linux's peak of a process's memory"
)


def report_of(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module to its end and return its report; its memory may not grow by much."""
    child = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    report: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    assert report["grown_mib"] < MAX_GROWTH_MIB
    return report
