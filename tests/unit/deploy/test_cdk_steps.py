"""The scripts of the pipeline, run to their ends against programs that record their arguments."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.cdk.settings import IMAGES
from tests.support.command_line import WrongCommandError, check_aws
from tests.support.shared_data import REPOSITORY

STEPS = REPOSITORY / "deploy" / "cdk" / "steps"
REGISTRY = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
REVISION = "0123456789abcdef0123456789abcdef01234567"

PROGRAM = f"""#!{sys.executable} -SE
import json, os, sys
from pathlib import Path

here = Path(__file__).parent
call = [Path(__file__).name, *sys.argv[1:]]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
for beginning, answers in json.loads((here / "answers").read_text()):
    if " ".join(call).startswith(beginning):
        used = here / ("used " + beginning.replace("/", "_"))
        number = int(used.read_text()) if used.exists() else 0
        used.write_text(str(number + 1))
        answer = answers[min(number, len(answers) - 1)]
        for path, text in answer.get("files", {{}}).items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)
        print(answer.get("prints", ""))
        sys.exit(answer.get("code", 0))
"""

Call = list[str]
Answer = Mapping[str, Any]


@dataclass
class Machine:
    """A directory to work in, and programs that answer as they are told.

    Attributes:
        directory: Where scripts run.
        answers: Beginning of a command -> its answers, the last of which repeats.
    """

    directory: Path
    answers: dict[str, list[Answer]] = field(default_factory=dict)

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script with these variables, and no others."""
        programs = self.directory / "programs"
        programs.mkdir(exist_ok=True)
        for name in ("aws", "docker", "go", "sleep", "curl", "unzip"):
            self.install(programs / name)
        (programs / "answers").write_text(json.dumps(list(self.answers.items())))
        return subprocess.run(
            ["/bin/sh", STEPS / script],
            cwd=self.directory,
            env={**environment, "PATH": f"{programs}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def install(self, path: Path) -> None:
        """Put the recording program at a path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PROGRAM)
        path.chmod(0o755)

    def calls(self, *beginning: str) -> list[Call]:
        """Return the calls that begin with these words."""
        lines = (self.directory / "programs" / "calls").read_text().splitlines()
        calls: list[Call] = [json.loads(line) for line in lines]
        return [call for call in calls if call[: len(beginning)] == list(beginning)]

    def read(self, path: str) -> Any:
        """Return a JSON file that a script wrote."""
        return json.loads((self.directory / path).read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if not shutil.which("jq", path="/usr/bin:/bin"):
        pytest.skip("no jq in /usr/bin: the pipeline's scripts are not run")
    return Machine(tmp_path)


def digest(of: str) -> str:
    return f"sha256:{hashlib.sha256(of.encode()).hexdigest()}"


def option(call: Call, name: str) -> str:
    return call[call.index(name) + 1]


def index(*architectures: str) -> str:
    """Return an index of images, as the registry has it: with an attestation for each image."""
    images = [
        {"digest": digest(name), "platform": {"os": "linux", "architecture": name}}
        for name in (*architectures, "unknown")
    ]
    return json.dumps({"manifests": images})


def every_command_of_aws_is_one(machine: Machine) -> bool:
    for call in machine.calls("aws"):
        check_aws(call[1:])
    return True


@pytest.mark.parametrize("architecture", [None, "amd64", "arm64"])
def test_build_pushes_every_image_by_digest_with_sbom_and_provenance(
    machine: Machine, architecture: str | None
) -> None:
    metadata: list[Answer] = [
        {"files": {"build/metadata.json": json.dumps({"containerimage.digest": digest(name)})}}
        for name in IMAGES
    ]
    machine.answers = {"docker buildx build": metadata}
    given = {"ARCHITECTURE": architecture} if architecture else {}
    done = machine.run("build.sh", REGISTRY=REGISTRY, REVISION=REVISION, **given)
    assert (done.returncode, done.stderr) == (0, "")
    built = architecture or {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    assert machine.read(f"build/images/{built}.json") == {name: digest(name) for name in IMAGES}
    calls = machine.calls("docker", "buildx", "build")
    for name, call in zip(IMAGES, calls, strict=True):
        assert option(call, "--platform") == f"linux/{built}"
        assert {"--sbom=true", "--provenance=mode=max", f"REVISION={REVISION}"} <= set(call)
        repository = f"{REGISTRY}/txfeatures-{name.replace('_', '-')}"
        assert f"type=image,name={repository},push-by-digest=true" in option(call, "--output")
        assert option(call, "--target") == ("tools" if name == "tools" else "service")
        assert (f"SERVICE={name}" in call) == (name != "tools")
    targets = {option(call, "--target") for call in calls}
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert all(f" AS {target}\n" in dockerfile for target in targets)
    [login] = machine.calls("docker", "login")
    assert login[-1] == REGISTRY
    assert every_command_of_aws_is_one(machine)


def published(machine: Machine, critical: str = "None", **changed: str) -> Any:
    for name in ("amd64", "arm64"):
        folder = machine.directory / name
        folder.mkdir()
        pushed = {image: digest(f"{image} {name}") for image in IMAGES}
        (folder / f"{name}.json").write_text(json.dumps(pushed))
    machine.install(machine.directory / "go" / "bin" / "cosign")
    machine.answers = {
        "docker buildx imagetools inspect": [{"prints": index("amd64", "arm64")}],
        "go env GOPATH": [{"prints": str(machine.directory / "go")}],
        "aws ecr describe-image-scan-findings": [{"prints": critical}],
    }
    (machine.directory / "programs").mkdir()
    for name in ("calls", "answers"):
        (machine.directory / "go" / "bin" / name).symlink_to(machine.directory / "programs" / name)
    variables = {
        "REGISTRY": REGISTRY,
        "REVISION": REVISION,
        "BUILD": "17",
        "SIGNING_KEY": "arn:aws:kms:eu-west-1:111122223333:key/k",
    }
    return machine.run("publish.sh", **(variables | changed))


def test_publish_joins_both_architectures_and_signs_what_the_scan_has_passed(
    machine: Machine,
) -> None:
    done = published(machine)
    assert (done.returncode, done.stderr) == (0, "")
    joined = digest(index("amd64", "arm64") + "\n")
    assert machine.read("build/images/digests.json") == dict.fromkeys(IMAGES, joined)
    made = machine.calls("docker", "buildx", "imagetools", "create")
    for image, call in zip(IMAGES, made, strict=True):
        name = f"{REGISTRY}/txfeatures-{image.replace('_', '-')}"
        assert option(call, "--tag") == f"{name}:0123456789ab-17"
        assert call[-2:] == [f"{name}@{digest(f'{image} {a}')}" for a in ("amd64", "arm64")]
    scanned = {
        (option(call, "--repository-name"), option(call, "--image-id"))
        for call in machine.calls("aws", "ecr", "describe-image-scan-findings")
    }
    assert scanned == {
        (f"txfeatures-{image.replace('_', '-')}", f"imageDigest={digest(name)}")
        for image in IMAGES
        for name in ("amd64", "arm64")  # and not the attestations
    }
    signed = machine.calls("cosign", "sign")
    assert [call[-1] for call in signed] == [f"{option(c, '--tag')[:-16]}@{joined}" for c in made]
    assert {option(c, "--key") for c in signed} == {
        "awskms:///arn:aws:kms:eu-west-1:111122223333:key/k"
    }
    assert every_command_of_aws_is_one(machine)


def test_publish_ends_before_the_signature_of_an_image_with_a_critical_finding(
    machine: Machine,
) -> None:
    done = published(machine, critical="2")
    assert done.returncode == 1
    assert "has 2 critical findings; see the scan in ECR's console" in done.stderr
    assert not machine.calls("cosign")


@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("TIMED_OUT", 1)])
def test_gate_ends_as_the_build_inside_the_network_ends(
    machine: Machine, status: str, code: int
) -> None:
    machine.answers = {
        "aws codebuild start-build": [{"prints": "txfeatures-production-gate:1"}],
        "aws codebuild batch-get-builds": [{"prints": "IN_PROGRESS"}, {"prints": status}],
    }
    done = machine.run("gate.sh", PROJECT="txfeatures-production-gate")
    assert done.returncode == code
    [started] = machine.calls("aws", "codebuild", "start-build")
    assert option(started, "--project-name") == "txfeatures-production-gate"
    asked = machine.calls("aws", "codebuild", "batch-get-builds")
    assert [option(call, "--ids") for call in asked] == ["txfeatures-production-gate:1"] * 2
    assert len(machine.calls("sleep")) == 1
    assert every_command_of_aws_is_one(machine)


def release_tested(machine: Machine, code: int) -> subprocess.CompletedProcess[str]:
    machine.install(machine.directory / "helm" / "helm")
    machine.answers = {
        "aws lambda get-layer-version-by-arn": [{"prints": "https://example.org/layer?signed"}],
        "helm test": [{"code": code}],
    }
    (machine.directory / "programs").mkdir()
    for name in ("calls", "answers"):
        (machine.directory / "helm" / name).symlink_to(machine.directory / "programs" / name)
    names = {"CLUSTER": "c", "RELEASE": "txfeatures", "NAMESPACE": "features", "LAYER": "arn:l:1"}
    return machine.run("test_release.sh", **names)


@pytest.mark.parametrize("code", [0, 1])
def test_the_gate_runs_the_tests_of_the_release_with_the_helm_of_the_stack(
    machine: Machine, code: int
) -> None:
    done = release_tested(machine, code)
    assert (done.returncode, done.stderr) == (code, "")
    [fetched] = machine.calls("curl")
    assert fetched[-1] == "https://example.org/layer?signed"
    [tested] = machine.calls("helm")
    assert tested[:3] == ["helm", "test", "txfeatures"]
    assert option(tested, "--namespace") == "features"
    assert "--logs" in tested
    assert every_command_of_aws_is_one(machine)


Run = Callable[[Machine], subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    "run",
    [
        lambda machine: machine.run("build.sh", REGISTRY=REGISTRY),
        lambda machine: machine.run("build.sh", REVISION=REVISION),
        lambda machine: machine.run("gate.sh"),
        lambda machine: machine.run("test_release.sh", CLUSTER="c", RELEASE="r", NAMESPACE="n"),
    ],
)
def test_a_variable_that_is_missing_ends_a_script(machine: Machine, run: Run) -> None:
    done = run(machine)
    assert done.returncode != 0
    assert "parameter not set" in done.stderr or "unbound variable" in done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("ecr wait image-scanned --repository-name r", "can't wait for image-scanned"),
        ("codebuild start-builds --project-name p", "has no command start-builds"),
        ("codebuild start-build", "lacks project-name"),
        ("codebuild start-build --project-name p --name p", "has no option name"),
        ("code-build start-build --project-name p", "has no service code-build"),
        ("eks update-kubeconfig --cluster c", "has no option cluster"),
    ],
)
def test_a_wrong_command_of_aws_is_noticed(command: str, message: str) -> None:
    with pytest.raises(WrongCommandError, match=message):
        check_aws(command.split())
