"""Each import contract catches the breach that it is there for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]

BREACHES = {
    "ground up": ("node.py", "import kafka_local.embedded"),
    "nothing but its dependencies": ("embedded.py", "import txfeatures"),
}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE / "src", tmp_path / "src")
    shutil.copy(PACKAGE / ".importlinter", tmp_path)
    return tmp_path


def test_the_package_keeps_its_contracts(tree: Path) -> None:
    assert lint(tree).returncode == 0


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_caught(tree: Path, contract: str) -> None:
    module, statement = BREACHES[contract]
    with (tree / "src" / "kafka_local" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    result = lint(tree)
    assert result.returncode == 1
    broken = [line for line in result.stdout.splitlines() if line.endswith("BROKEN")]
    assert len(broken) == 1
    assert contract in broken[0]


def test_a_module_on_no_floor_is_caught(tree: Path) -> None:
    (tree / "src" / "kafka_local" / "stray.py").touch()
    result = lint(tree)
    assert result.returncode == 1
    assert "stray" in result.stdout
