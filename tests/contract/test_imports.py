"""Each import contract catches the breach that it is there for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shared_data import REPOSITORY

BREACHES = {
    "Decisions reach no client library": ("services/dedup/logic.py", "import httpx"),
    "Services are independent": ("services/api/rows.py", "import services.poller.settings"),
    "knows neither services nor the local stack": (
        "src/txfeatures/runtime.py",
        "import txfeatures_local.ports",
    ),
    "Nothing that runs in production": (
        "services/fs_writer/main.py",
        "import txfeatures_local.ports",
    ),
    "microbatch is a library in itself": (
        "src/txfeatures/microbatch/records.py",
        "import txfeatures.model",
    ),
    "confluent_kafka is imported by the Kafka modules": (
        "services/poller/outbox.py",
        "import confluent_kafka",
    ),
    "boto3 sessions are made in one place": ("services/api/reader.py", "import boto3"),
    "poller reads from its entry down": (
        "services/poller/settings.py",
        "import services.poller.spool",
    ),
    "dedup reads from its entry down": ("services/dedup/settings.py", "import services.dedup.app"),
    "aggregator reads from its entry down": (
        "services/aggregator/logic.py",
        "import services.aggregator.merge",
    ),
    "fs_writer reads from its entry down": (
        "services/fs_writer/stores.py",
        "import services.fs_writer.features_step",
    ),
    "api reads from its entry down": ("services/api/logic.py", "import services.api.settings"),
}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": f"{tree / 'src'}:{tree}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("src", "services"):
        shutil.copytree(
            REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / ".importlinter", tmp_path)
    return tmp_path


def test_every_contract_has_a_planted_breach(tree: Path) -> None:
    contracts = [
        line.partition("=")[2].strip()
        for line in (tree / ".importlinter").read_text().splitlines()
        if line.startswith("name =")
    ]
    for contract in contracts:
        assert [name for name in BREACHES if name in contract], contract
    assert lint(tree).returncode == 0


@pytest.mark.parametrize("contract", BREACHES)
def test_a_planted_breach_breaks_its_contract(tree: Path, contract: str) -> None:
    name, statement = BREACHES[contract]
    path = tree / name
    path.write_text(f"{path.read_text()}\n{statement}\n")
    found = lint(tree)
    broken = [line for line in found.stdout.splitlines() if line.endswith("BROKEN")]
    assert found.returncode == 1
    assert any(contract in line for line in broken), found.stdout
