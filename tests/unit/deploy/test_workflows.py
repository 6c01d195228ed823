"""The workflows are valid, pinned and of least privilege."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.shared_data import REPOSITORY
from txfeatures.process.settings import SERVICES

ACTIONLINT = "v1.7.12"
FOLDER = REPOSITORY / ".github/workflows"
WORKFLOWS = {path.stem: path for path in sorted(FOLDER.glob("*.yml"))}
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

every_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def read(name: str) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    workflow: dict[str, Any] = yaml.safe_load(
        WORKFLOWS[name].read_text().replace("\non:", "\n'on':")
    )
    return workflow


def actionlint() -> str:
    """Return the path of actionlint, built once by Go; skip the test where that can't be done."""
    if found := shutil.which("actionlint"):
        return found
    folder = REPOSITORY / "build" / f"actionlint-{ACTIONLINT}"
    if not (folder / "actionlint").exists():
        if not (go := shutil.which("go")):
            pytest.skip("no actionlint and no Go to build it: the workflows are not linted")
        module = f"github.com/rhysd/actionlint/cmd/actionlint@{ACTIONLINT}"
        environment = {**os.environ, "GOBIN": str(folder), "GOFLAGS": "-mod=mod"}
        built = subprocess.run(
            [go, "install", module], env=environment, capture_output=True, text=True
        )
        if built.returncode != 0:
            pytest.skip(f"Go can't build actionlint: {built.stderr.strip().splitlines()[-1]}")
    return str(folder / "actionlint")


def test_the_workflows_are_there() -> None:
    assert set(WORKFLOWS) == {"check", "test", "nightly", "release"}


@pytest.mark.integration
def test_actionlint_accepts_every_workflow() -> None:
    program = actionlint()
    files = [str(path) for path in WORKFLOWS.values()]
    result = subprocess.run([program, "-no-color", *files], capture_output=True, text=True)
    assert (result.stdout, result.returncode) == ("", 0)


@pytest.mark.integration
def test_actionlint_refuses_a_workflow_with_an_unknown_expression(tmp_path: Path) -> None:
    program = actionlint()
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS["check"].read_text().replace("matrix.runner", "matrix.runnr"))
    result = subprocess.run([program, "-no-color", str(broken)], capture_output=True, text=True)
    assert "runnr" in result.stdout


@every_workflow
def test_every_action_is_pinned_by_commit_with_its_release_beside_it(name: str) -> None:
    uses = re.findall(r"uses: (.+)", WORKFLOWS[name].read_text())
    assert uses
    assert [line for line in uses if not PINNED.fullmatch(line)] == []


@every_workflow
def test_a_workflow_reads_by_default_and_each_job_ends(name: str) -> None:
    workflow = read(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"].startswith(name)
    for job in workflow["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90


@every_workflow
def test_a_checkout_leaves_no_credentials_behind(name: str) -> None:
    for job in read(name)["jobs"].values():
        checkouts = [s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")]
        assert [step["with"] for step in checkouts] == [{"persist-credentials": False}]


def test_the_quick_gate_runs_on_every_supported_python_and_architecture() -> None:
    matrix = read("check")["jobs"]["check"]["strategy"]["matrix"]
    assert matrix == {
        "python": ["3.11", "3.12", "3.13", "3.14"],
        "runner": ["ubuntu-24.04", "ubuntu-24.04-arm"],
    }


def test_every_image_of_production_is_released_for_both_architectures() -> None:
    job = read("release")["jobs"]["images"]
    images = {entry["image"] for entry in job["strategy"]["matrix"]["include"]}
    assert images == {*(name.replace("_", "-") for name in SERVICES), "tools"}
    [build] = [s["with"] for s in job["steps"] if s.get("uses", "").startswith("docker/build-push")]
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["push"], build["sbom"], build["provenance"]) == (True, True, "mode=max")
    assert "cosign sign" in job["steps"][-1]["run"]


@every_workflow
def test_every_make_target_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"make ([a-z-]+)", WORKFLOWS[name].read_text()))
    assert called <= targets
