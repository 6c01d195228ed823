import os
import subprocess
import sys

import pytest

from txfeatures.cli.group import subcommands
from txfeatures.cli.packages import needs

MAIN = "import sys; sys.argv[0] = 'txfeatures'; from txfeatures.cli import main; main()"
WITHOUT = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == {package!r} else found(name)
from txfeatures.cli.group import subcommands
print(*subcommands())
"""
HEAVY = {
    *("boto3", "confluent_kafka", "duckdb", "httpx", "pyarrow", "pydantic", "rich", "structlog"),
    *("txfeatures.cli.audit", "txfeatures_local", "txfeatures_poller"),
}


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_a_package_that_is_not_installed_is_told_as_an_import_would() -> None:
    needs("typer")
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'") as caught:
        needs("typer", "no_such_package")
    assert caught.value.name == "no_such_package"


def loaded(*arguments: str, **environment: str) -> set[str]:
    """Return the modules that a command loads."""
    done = python("-X", "importtime", "-c", MAIN, *arguments, **environment)
    found = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in found
    return found


def test_the_list_of_commands_loads_none_of_them_and_nothing_slow() -> None:
    assert not HEAVY & loaded("--help")


def test_completion_of_a_command_loads_none_of_them() -> None:
    completing = {"_TXFEATURES_COMPLETE": "complete_bash", "COMP_CWORD": "1"}
    found = loaded(COMP_WORDS="txfeatures da", **completing)
    assert not (HEAVY - {"pydantic", "rich"}) & found  # Rich writes the help of an item


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_completes_commands_and_options(shell: str) -> None:
    def complete(text: str) -> str:
        words = {"COMP_WORDS": text, "COMP_CWORD": str(len(text.split()) - 1)}
        typed = {"_TYPER_COMPLETE_ARGS": text, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
        completing = {"_TXFEATURES_COMPLETE": f"complete_{shell}", **words, **typed}
        return python("-c", MAIN, **completing).stdout

    assert "dataset" in complete("txfeatures da")
    assert "--known-at" in complete("txfeatures dataset --kn")


@pytest.mark.parametrize("arguments", [["bootstrap", "--help"], ["audit", "--help"]])
def test_help_of_a_command_loads_neither_duckdb_nor_pyarrow(arguments: list[str]) -> None:
    assert not {"duckdb", "pyarrow"} & loaded(*arguments)


@pytest.mark.parametrize(
    ("package", "left_out"),
    [
        ("duckdb", {"audit", "backfill", "dataset", "demo"}),
        ("pyarrow", {"audit", "backfill", "compact", "dataset", "demo", "doctor"}),
    ],
)
def test_commands_without_their_packages_are_left_out(package: str, left_out: set[str]) -> None:
    commands = set(python("-c", WITHOUT.format(package=package)).stdout.split())
    assert {"bootstrap", "features"} <= commands
    assert not left_out & commands
    assert subcommands().keys() - commands == left_out
