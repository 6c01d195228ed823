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
