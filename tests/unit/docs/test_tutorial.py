import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.shared_data import REPOSITORY
from txfeatures.cli import create_app

TUTORIAL = REPOSITORY / "docs" / "tutorials" / "first-run.md"
BLOCKS = re.findall(r"^```\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.M | re.S)
COMMAND = ".venv/bin/txfeatures "
SHOWN = [
    (command.removeprefix(COMMAND), output)
    for command, output in pairwise(BLOCKS)
    if command.startswith(COMMAND) and not command.startswith(f"{COMMAND}--demo")
]


def test_the_tutorial_shows_commands_with_their_output() -> None:
    assert len(SHOWN) == 2


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_a_command_of_the_tutorial_prints_the_output_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(create_app(), shlex.split(command))
    assert (done.exit_code, done.output) == (0, output)


DEMO = [
    line.removeprefix(f"{COMMAND}--demo ")
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith(f"{COMMAND}--demo ")
]


def test_the_tutorial_shows_commands_beside_the_demo() -> None:
    assert len(DEMO) == 3


@pytest.mark.parametrize("command", DEMO)
def test_a_command_beside_the_demo_exists(command: str) -> None:
    arguments = shlex.split(command)
    done = CliRunner().invoke(create_app(), [*arguments, "--help"])
    assert done.exit_code == 0, done.output
    assert "Exit codes" in done.output
