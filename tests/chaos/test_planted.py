import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.planted import plant

PROGRAM = "from faust_microbatch.engine import recovery; print(recovery.__file__)"


def test_a_process_with_the_directory_on_its_path_runs_the_bug(tmp_path: Path) -> None:
    folder = plant("recovery-leaves-the-last-record-out", tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from faust_microbatch.engine import recovery as r; print(r.__file__)",
        ],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = Path(done.stdout.strip())
    assert found.is_relative_to(tmp_path)
    assert "list(changes)[:-1]" in found.read_text()


def test_an_unknown_bug_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no such mutant"):
        plant("nothing", tmp_path)
