"""The contents of the images."""

import json
import re

import pytest

from tests.compose.stack import docker
from txfeatures import __version__
from txfeatures.process.settings import SERVICES

pytestmark = [
    pytest.mark.integration,
    pytest.mark.compose,
    pytest.mark.timeout(1800),  # the first test waits for the build of all images
    pytest.mark.usefixtures("images"),
]

NAMES = (*SERVICES, "tools")
PRODUCTION = [f"txfeatures-{name.replace('_', '-')}" for name in NAMES]

LOOK = """
import importlib.util, json, os, shutil
from pathlib import Path

import txfeatures

print(json.dumps({
    "uid": os.getuid(),
    "modules": [m for m in ("services", "txfeatures_local", "featurestore_local", "kafka_local",
                          "moto", "pytest", "pip", "setuptools")
                if importlib.util.find_spec(m)],
    "programs": [p for p in ("pip", "gcc", "cc", "make", "git") if shutil.which(p)],
    "uncompiled": [str(path) for path in Path(txfeatures.__file__).parents[1].rglob("*.py")
                   if not Path(importlib.util.cache_from_source(str(path))).exists()],
}))
"""


@pytest.mark.parametrize("image", PRODUCTION)
def test_a_production_image_holds_what_it_runs_and_nothing_else(image: str) -> None:
    found = json.loads(
        docker(
            *("run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none"),
            *("--entrypoint", "python", f"{image}:{__version__}", "-c", LOOK),
        )
    )
    assert found == {"uid": 10001, "modules": [], "programs": [], "uncompiled": []}


@pytest.mark.parametrize(("name", "image"), list(zip(NAMES, PRODUCTION, strict=True)))
def test_an_image_says_what_it_is_and_runs_as_nobody(name: str, image: str) -> None:
    [found] = json.loads(docker("image", "inspect", f"{image}:{__version__}"))
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"txfeatures {name}"
    assert labels["org.opencontainers.image.version"] == __version__
    assert {"org.opencontainers.image.source", "org.opencontainers.image.revision"} <= labels.keys()
    assert found["Config"]["User"] == "10001:10001"


def test_a_setting_that_is_wrong_ends_a_container_with_one_sentence() -> None:
    shell = "TXF_DEDUP_REMEMBER_S=1 serve 2>&1; echo $?"
    answer = docker(
        *("run", "--rm", "--read-only", "--network", "none"),
        *("--entrypoint", "sh", f"txfeatures-dedup:{__version__}", "-c", shell),
    )
    sentence, code = answer.strip().splitlines()
    assert "TXF_DEDUP_REMEMBER_S" in sentence
    assert code == "1"


def test_the_tools_know_bootstrap_and_not_the_demo() -> None:
    answer = docker("run", "--rm", "--read-only", f"txfeatures-tools:{__version__}", "--help")
    assert "bootstrap" in answer
    assert not re.search(r"^ *demo\b", answer, re.MULTILINE)
