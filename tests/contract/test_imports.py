"""Each import contract catches the breach that it is there for."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.shared_data import REPOSITORY

BREACHES = {
    "Decisions reach no client library": (
        "services/dedup/txfeatures_dedup/logic.py",
        "import httpx",
    ),
    "built from the ground up": (
        "src/txfeatures/domain/rules.py",
        "import txfeatures.process.clock",
    ),
    "The local stack stands on the services": (
        "services/api/txfeatures_api/rows.py",
        "import txfeatures_poller.settings",
    ),
    "No room has a circle": (
        "src/txfeatures/process/clock.py",
        "import txfeatures.process.runtime",
    ),
    "Nothing that runs in production": (
        "services/fs_writer/txfeatures_fs_writer/main.py",
        "import kafka_local",
    ),
    "confluent_kafka is imported by": (
        "services/poller/txfeatures_poller/delivery.py",
        "import confluent_kafka",
    ),
    "boto3 sessions are made in one place": (
        "services/api/txfeatures_api/reader.py",
        "import boto3",
    ),
    "Failures of AWS are classified": (
        "src/txfeatures/history/audit.py",
        "import botocore.exceptions",
    ),
    "poller reads from its entry down": (
        "services/poller/txfeatures_poller/settings.py",
        "import txfeatures_poller.spool",
    ),
    "dedup reads from its entry down": (
        "services/dedup/txfeatures_dedup/settings.py",
        "import txfeatures_dedup.app",
    ),
    "aggregator reads from its entry down": (
        "services/aggregator/txfeatures_aggregator/logic.py",
        "import txfeatures_aggregator.merge",
    ),
    "fs_writer reads from its entry down": (
        "services/fs_writer/txfeatures_fs_writer/stores.py",
        "import txfeatures_fs_writer.features_step",
    ),
    "api reads from its entry down": (
        "services/api/txfeatures_api/logic.py",
        "import txfeatures_api.settings",
    ),
}


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tree,
        env={
            **os.environ,
            "PYTHONPATH": ":".join(map(str, [tree / "src", *tree.glob("services/*")])),
        },
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
