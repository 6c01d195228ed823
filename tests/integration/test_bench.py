import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("stage", "systems", "records"),
    [
        ("dedup", ["txfeatures", "limit"], {1000}),
        ("aggregator", ["txfeatures"], {1000}),
        ("chain", ["txfeatures"], {5000}),
    ],
)
def test_a_small_benchmark_runs_and_nothing_is_lost_or_doubled(
    tmp_path: Path, stage: str, systems: list[str], records: set[int]
) -> None:
    command = [sys.executable, "-m", "bench", "--stage", stage, "--records", "1000"]
    command += ["--rounds", "1", *(word for name in systems for word in ("--system", name))]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert {entry["system"] for entry in found["results"]} == {*systems}
    assert {entry["records"] for entry in found["results"]} == records
    for entry in found["results"]:
        assert entry["missing"] == entry["duplicates"] == 0
        assert entry["records_per_s"] > 0
    assert found["skipped"] == []


def test_the_state_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--hashes", "20000", "--hours", "1"]
    command += ["--stage", "recovery", "--stage", "day", "--stage", "rebalance"]
    command += ["--stage", "fs_writer", "--records", "1000"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "build" / "bench.json").read_text())
    state = {(one["stage"], one["what"]): one["value"] for one in found["state"]}
    assert state["recovery", "hashes remembered"] == 20_000
    assert state["recovery", "from the start of the process to ready, after SIGKILL"] > 0
    assert 31 < state["recovery", "changelog per hash on the broker"] < 80
    assert state["day", "replayed"] == 1
    assert 0 < state["fs_writer", "rows put, online and offline"] <= 100
    assert state["rebalance", "longest wait: a worker joins"] > 0
