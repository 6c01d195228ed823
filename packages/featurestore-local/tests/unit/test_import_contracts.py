"""Each import contract catches the breach that it is there for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2]
BREACHES = {
    "featurestore-local stands alone": "import txfeatures.domain",
    "The package is built from the ground up": "import featurestore_local.server",
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
    assert "2 kept, 0 broken" in lint(tree).stdout


@pytest.mark.parametrize("contract", BREACHES)
def test_a_planted_breach_is_caught(tree: Path, contract: str) -> None:
    with (tree / "src/featurestore_local/model.py").open("a") as file:
        file.write(f"\n{BREACHES[contract]}\n")
    assert f"{contract} BROKEN" in lint(tree).stdout


def test_pyiceberg_is_imported_for_iceberg_tables_alone() -> None:
    program = "import sys, featurestore_local.athena; sys.exit('pyiceberg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
