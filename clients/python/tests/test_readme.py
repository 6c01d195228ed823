"""The README's example is the one in ``examples/``, and it runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import txfeatures.client
from client_support.scripted_api import ScriptedApi, row

PACKAGE = Path(__file__).parents[1]
EXAMPLE = PACKAGE / "examples" / "newest.py"
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_example() -> None:
    assert re.findall(r"```python\n(.*?)```", README, re.DOTALL) == [EXAMPLE.read_text("utf-8")]


def test_the_example_prints_the_newest_row_a_summary_and_the_stream(api: ScriptedApi) -> None:
    api.publish(row(3), row(4))
    command = [sys.executable, "-u", str(EXAMPLE)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "TXFEATURES_URL": api.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        printed = ""
        for line in process.stdout:
            printed += line
            if line.startswith("max"):
                api.publish(row(4, 2))
            if line.startswith("2026-01-02T"):
                process.kill()
    assert printed.splitlines()[0] == "2026-01-02 03:04:00 41 6.0 0"
    assert "total_nb_trx_1min" in printed.splitlines()[1]
    assert printed.splitlines()[-1] == "2026-01-02T03:04:00Z/2 4000"


def test_the_readme_names_every_error_and_method() -> None:
    errors = [name for name in txfeatures.client.__all__ if name.endswith("Error")]
    methods = [name for name in vars(txfeatures.client.Features) if not name.startswith("_")]
    assert all(f"`{name}`" in README for name in errors)
    assert all(f"`{name}(" in README for name in methods if name != "close")
