"""The files that a new contributor meets: hooks, forms of issues and pull requests, security."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shared_data import REPOSITORY
from txfeatures.process.settings import SERVICES

FORMS = sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml"))
PACKAGE_OF = {"lint-imports": "import-linter"}
"""Program -> its distribution, where the names differ."""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


HOOKS = {
    hook["id"]: hook
    for repository in read(REPOSITORY / ".pre-commit-config.yaml")["repos"]
    for hook in repository["hooks"]
}


def test_no_hook_brings_a_version_of_its_own() -> None:
    repositories = read(REPOSITORY / ".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_hook_runs_a_program_of_the_lock(hook: dict[str, Any]) -> None:
    assert hook["language"] == "system"
    program = hook["entry"].split()[0]
    assert program.startswith(".venv/bin/")
    name = Path(program).name
    lock = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(rf"^{PACKAGE_OF.get(name, name)}==", lock, re.MULTILINE)


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_every_file_that_a_hook_names_is_there(hook: dict[str, Any]) -> None:
    named = [word for word in hook["entry"].split()[1:] if "/" in word]
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


@pytest.mark.parametrize("linter", ["ruff format", "ruff check", "mypy", "lint-imports"])
def test_a_linter_of_the_gate_is_a_hook(linter: str) -> None:
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\nstatic: ")[2]
    assert f"$(BIN)/{linter}" in recipe.partition("\n\n")[0]
    assert any(hook["entry"].startswith(f".venv/bin/{linter}") for hook in HOOKS.values())


def test_the_form_of_a_bug_names_every_service_and_library() -> None:
    form = read(REPOSITORY / ".github/ISSUE_TEMPLATE/bug.yml")
    [component] = [field for field in form["body"] if field.get("id") == "component"]
    libraries = {path.name for path in (REPOSITORY / "packages").iterdir() if path.is_dir()}
    assert {*SERVICES, *libraries} <= set(component["attributes"]["options"])


@pytest.mark.parametrize("path", [p for p in FORMS if p.name != "config.yml"], ids=lambda p: p.stem)
def test_a_form_has_what_github_requires(path: Path) -> None:
    form = read(path)
    assert {"name", "description", "body"} <= form.keys()
    kinds = {"markdown", "input", "textarea", "dropdown", "checkboxes"}
    assert {field["type"] for field in form["body"]} <= kinds
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)


def test_a_vulnerability_has_a_private_way() -> None:
    text = (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8")
    for heading in ("Supported versions", "Reporting a vulnerability", "In scope", "Out of scope"):
        assert f"\n## {heading}\n" in text
    assert "Report a vulnerability" in text
