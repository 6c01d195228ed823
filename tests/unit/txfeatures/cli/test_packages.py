import subprocess
import sys

import pytest
import typer

from txfeatures.cli import create_app
from txfeatures.cli.packages import needs

WITHOUT = (
    "import sys; sys.modules[{package!r}] = None; import typer; from txfeatures.cli import "
    "create_app; print(*typer.main.get_group(create_app()).commands)"
)


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=60
    )


def test_a_package_that_is_not_installed_is_told_as_an_import_would() -> None:
    needs("typer")
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'") as caught:
        needs("typer", "no_such_package")
    assert caught.value.name == "no_such_package"


@pytest.mark.parametrize("arguments", [["--help"], ["bootstrap", "--help"], ["audit", "--help"]])
def test_help_loads_neither_duckdb_nor_pyarrow(arguments: list[str]) -> None:
    done = python("-X", "importtime", "-m", "txfeatures", *arguments)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not {"duckdb", "pyarrow"} & loaded


@pytest.mark.parametrize(
    ("package", "left_out"),
    [
        ("duckdb", {"audit", "backfill", "dataset", "demo"}),
        ("pyarrow", {"audit", "backfill", "compact", "dataset", "demo"}),
    ],
)
def test_commands_without_their_packages_are_left_out(package: str, left_out: set[str]) -> None:
    commands = set(python("-c", WITHOUT.format(package=package)).stdout.split())
    assert {"bootstrap", "features"} <= commands
    assert not left_out & commands
    everything = typer.main.get_group(create_app()).commands.keys()
    assert everything - commands == left_out
