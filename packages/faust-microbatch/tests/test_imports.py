"""Each import contract catches the breach it is there for."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
SOURCES = PACKAGE / "src" / "faust_microbatch"
PART_OF_FAUST = {"faust": "faust-streaming", "mode": "faust-streaming"}

BREACHES = {
    "The adapter stands on the engine": (
        "engine/outbox.py",
        "import faust_microbatch.faust.tables",
    ),
    "The engine is built from the ground up": (
        "engine/records.py",
        "import faust_microbatch.engine.budget",
    ),
    "The adapter is built from the ground up": (
        "faust/tables.py",
        "import faust_microbatch.faust.message",
    ),
    "No package has a circle": (
        "errors.py",
        "import faust_microbatch.engine.config",
    ),
    "The engine knows Kafka and no Faust": (
        "engine/flow.py",
        "from faust.types import ConsumerMessage",
    ),
    "The package stands alone": (
        "faust/app.py",
        "import txfeatures",
    ),
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
    shutil.copytree(PACKAGE / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PACKAGE / ".importlinter", tmp_path)
    return tmp_path


def test_every_contract_has_a_planted_breach_and_holds_without_it(tree: Path) -> None:
    names = re.findall(r"^name = (.+)$", (tree / ".importlinter").read_text(), re.MULTILINE)
    assert names == list(BREACHES)
    assert lint(tree).returncode == 0


@pytest.mark.parametrize("contract", BREACHES)
def test_a_planted_breach_breaks_its_contract(tree: Path, contract: str) -> None:
    name, statement = BREACHES[contract]
    path = tree / "src" / "faust_microbatch" / name
    path.write_text(f"{path.read_text()}\n{statement}\n")
    found = lint(tree)
    assert found.returncode == 1
    assert f"{contract} BROKEN" in found.stdout


def test_a_module_without_a_floor_breaks_the_contract(tree: Path) -> None:
    (tree / "src" / "faust_microbatch" / "engine" / "attic.py").touch()
    assert "The engine is built from the ground up BROKEN" in lint(tree).stdout


def test_it_imports_nothing_but_its_declared_dependencies() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", each)[0] for each in project["dependencies"]}
    imported = {
        module.partition(".")[0]
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    others = imported - sys.stdlib_module_names - {"faust_microbatch"}
    packages = {PART_OF_FAUST.get(name, name.replace("_", "-")) for name in others}
    assert packages <= declared
