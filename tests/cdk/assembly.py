"""Cloud assemblies, synthesised in CDK's own environment, without network and credentials."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.cdk.studio_function import CODE
from tests.support.shared_data import REPOSITORY

Object = dict[str, Any]

ENVIRONMENT = REPOSITORY / ".venv-cdk"
PYTHON = ENVIRONMENT / "bin" / "python"
STAGES = {
    "production": REPOSITORY / "deploy" / "cdk" / "example.toml",
    "development": Path(__file__).with_name("development.toml"),
}
TIMEOUT_S = 900
"""A synthesis takes half a minute of a core, most of it to start Node and to load CDK."""

_HASH = re.compile(r"[0-9a-f]{64}|(?<=-)[0-9a-f]{8}(?=\\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The cloud assembly of a stage.

    Attributes:
        directory: Where it is.
    """

    directory: Path

    def template(self, stack: str) -> "Template":
        """Return the template of a stack."""
        found = next(self.directory.rglob(f"*{stack}*.template.json"))
        return Template(json.loads(found.read_text()))

    def templates(self) -> list[Path]:
        """Return the files of all templates."""
        return sorted(self.directory.rglob("*.template.json"))


@dataclass(frozen=True, slots=True)
class Template:
    """A template of CloudFormation."""

    body: Object

    def of(self, kind: str) -> dict[str, Object]:
        """Return the resources of a type, by logical id."""
        return {n: r for n, r in self.body["Resources"].items() if r["Type"] == kind}

    def only(self, kind: str) -> Object:
        """Return the properties of the one resource of a type."""
        (found,) = self.of(kind).values()
        properties: Object = found["Properties"]
        return properties

    def statements(self) -> Iterator[tuple[str, Object]]:
        """Yield logical id and statement of every policy of a role."""
        for kind in ("AWS::IAM::Role", "AWS::IAM::Policy"):
            for name, found in self.of(kind).items():
                properties = found["Properties"]
                documents = [p["PolicyDocument"] for p in properties.get("Policies", [])]
                if kind == "AWS::IAM::Policy":
                    documents.append(properties["PolicyDocument"])
                for document in documents:
                    for statement in document["Statement"]:
                        yield name, statement


def missing() -> str | None:
    """Return what is missing for a synthesis, as a sentence; None if nothing is."""
    if not (ENVIRONMENT / "installed").exists():
        return f"there is no {ENVIRONMENT.name}; `make cdk` makes it and runs this"
    if not CODE.is_dir():
        return f"there is no {CODE}; `make studio` makes it"
    if shutil.which("node") is None:
        return "there is no node on PATH, which CDK runs on; install Node 22 or newer"
    return None


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in CDK's environment to its end; no network, no credentials."""
    foreign = ("AWS_", "CDK_", "TXF", "PYTEST", "http", "no_proxy")
    nowhere = "http://127.0.0.1:9"  # the port that discards
    return subprocess.run(
        [PYTHON, *arguments],
        cwd=REPOSITORY,
        env={
            **{n: v for n, v in os.environ.items() if not n.lower().startswith(foreign)},
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def synthesise(directory: Path) -> Mapping[str, Assembly]:
    """Synthesise every stage below a directory, side by side."""

    def one(stage: str) -> Assembly:
        out = directory / stage
        done = run("-m", "deploy.cdk", str(STAGES[stage]), "--out", str(out))
        assert done.returncode == 0, f"{stage}: {done.stdout}{done.stderr}"
        return Assembly(directory=out)

    with ThreadPoolExecutor() as pool:
        return dict(zip(STAGES, pool.map(one, STAGES), strict=True))


def normalised(template: Path) -> str:
    """Return a template's text without the hashes of files, which each change of those changes."""
    body = json.loads(_HASH.sub("HASH", template.read_text()))
    return json.dumps(body, indent=1, sort_keys=True) + "\n"
