"""The import contracts, each with a breach that it catches; and what an import loads."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
BREACHES = {
    "ground up": ("row.py", "import txfeatures.client.sync"),
    "no HTTP library": ("exchange.py", "import httpx"),
    "nothing of the services": ("frames.py", "import boto3"),
}
HEAVY = ("boto3", "pandas", "polars", "pyarrow", "pydantic", "txfeatures.domain")


def run(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` without editable installs: those of other distributions hide a namespace."""
    packages = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return subprocess.run(
        [sys.executable, "-S", "-c", code, *(["--no-cache"] if code == LINT else [])],
        cwd=paths[0].parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*map(str, paths), *packages])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE / "src", tmp_path / "src")
    shutil.copy(PACKAGE / ".importlinter", tmp_path)
    return tmp_path


def test_the_client_keeps_its_contracts(tree: Path) -> None:
    found = run(LINT, tree / "src")
    assert found.returncode == 0, found.stdout
    assert found.stdout.count("KEPT") == len(BREACHES)


@pytest.mark.parametrize("contract", BREACHES)
def test_a_breach_is_caught(tree: Path, contract: str) -> None:
    module, statement = BREACHES[contract]
    with (tree / "src/txfeatures/client" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{statement}\n")
    found = run(LINT, tree / "src")
    assert found.returncode == 1
    broken = [line for line in found.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(contract in line for line in broken), found.stdout


def test_the_client_needs_httpx_alone_and_no_other_distribution() -> None:
    code = "import sys, txfeatures.client as c; print(c.__version__, *sys.modules)"
    found = run(code, PACKAGE / "src")
    assert found.returncode == 0, found.stderr
    version, *modules = found.stdout.split()
    assert version == "0.1.0"
    assert "httpx" in modules
    assert not set(HEAVY) & set(modules)
