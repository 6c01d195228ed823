"""The chart, rendered by the real helm."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.helm.generate import CHART
from tests.support.shared_data import REPOSITORY

Object = dict[str, Any]

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The dashboards are long; libyaml reads them ten times faster."""

EKS = CHART / "values-eks.yaml"
LOCAL = CHART / "values-local.yaml"
CASES = {path.stem: path for path in sorted((CHART / "ci").glob("*-values.yaml"))} | {
    "values-eks": EKS,
    "values-local": LOCAL,
}
"""Every values file that the chart ships; all of them must render, and to sound objects."""


def find(name: str) -> str | None:
    """Return the path of a program, installed on PATH or fetched by `make` into .tools."""
    return shutil.which(name) or shutil.which(name, path=str(REPOSITORY / ".tools"))


def binary(name: str) -> str:
    """Return the path of a program; skip the test, saying why, where it is absent."""
    found = find(name)
    if not found:
        pytest.skip(f"no {name} on PATH, nor by `make .tools/{name}`: the chart is not rendered")
    return found


def run(arguments: Sequence[str], *, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever that is."""
    return subprocess.run(
        arguments, input=text, capture_output=True, text=True, check=False, timeout=120
    )


@dataclass(frozen=True, slots=True)
class Rendered:
    """What helm would install."""

    objects: Sequence[Object]

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [found for found in self.objects if found["kind"] == kind]

    def get(self, kind: str, name: str) -> Object:
        """The one object of a kind with a name."""
        (found,) = [o for o in self.of(kind) if o["metadata"]["name"] == name]
        return found

    def pods(self) -> Iterator[tuple[str, Object]]:
        """Yield each pod's template, with the name of what makes the pod."""
        for found in self.objects:
            name = f"{found['kind']}/{found['metadata']['name']}"
            spec = found.get("spec", {})
            if found["kind"] == "Pod":
                yield name, found
            elif found["kind"] == "CronJob":
                yield name, spec["jobTemplate"]["spec"]["template"]
            elif "template" in spec:
                yield name, spec["template"]

    def environment(self, component: str) -> dict[str, str]:
        """What a component's ConfigMap says."""
        data: dict[str, str] = self.get("ConfigMap", f"txfeatures-{component}")["data"]
        return data


def template(*files: Path, values: Mapping[str, Any] | None = None) -> Rendered:
    """Render the chart as release ``txfeatures`` in namespace ``features``."""
    return _rendered(files, json.dumps(values or {}))


@cache  # helm takes a second; nobody changes what it gave
def _rendered(files: Sequence[Path], values: str) -> Rendered:
    result = _template(files, values)
    assert result.returncode == 0, result.stderr
    return Rendered([found for found in yaml.load_all(result.stdout, Loader=LOADER) if found])


def refusal(*files: Path, values: Mapping[str, Any] | None = None) -> str:
    """Return what helm says when it refuses to render."""
    result = _template(files, json.dumps(values or {}))
    assert result.returncode != 0, "helm took it"
    return result.stderr


def _template(files: Sequence[Path], values: str) -> subprocess.CompletedProcess[str]:
    options = [option for file in files for option in ("-f", str(file))]
    # JSON is YAML; numbers arrive as from a file, not as from --set.
    command = [binary("helm"), "template", "txfeatures", str(CHART), "-n", "features"]
    return run([*command, *options, "-f", "-"], text=values)
