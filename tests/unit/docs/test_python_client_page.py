"""The examples of "Read features from Python" run as they stand."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from client_support.scripted_api import row, scripted_api

from tests.support.shared_data import REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/python-client.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
PRINTED = ["2026-01-02 03:04:00 41 6.0", "2026-01-02", "2026-01-02T03:05:00Z/1", "2026-01-02T03:05"]


def test_every_block_has_its_output() -> None:
    assert len(BLOCKS) == len(PRINTED)


@pytest.mark.parametrize(("block", "printed"), [*zip(BLOCKS, PRINTED, strict=True)])
def test_a_block_runs_and_prints_rows(block: str, printed: str, tmp_path: Path) -> None:
    with scripted_api() as api:
        api.publish(row(3), row(4, is_final=1), row(5))
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", block],
            cwd=tmp_path,
            env={**os.environ, "TXFEATURES_URL": api.url, "NO_PROXY": "127.0.0.1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith(printed):
                    process.kill()  # a stream has no end
    assert any(line.startswith(printed) for line in lines), lines
