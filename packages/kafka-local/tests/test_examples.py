"""The README's examples and those in ``examples/`` run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from kafka_local import KAFKA_VERSION

pytestmark = pytest.mark.integration

PACKAGE = Path(__file__).parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("one_broker.py", "0 records left to send\n"),
        ("three_brokers.py", "0 records left to send without broker 1\n"),
        ("tls_and_password.py", "brokers: [1]\n"),
    ],
)
def test_an_example_runs(name: str, printed: str) -> None:
    command = [sys.executable, str(PACKAGE / "examples" / name)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout == printed


def test_every_example_is_run() -> None:
    assert {path.name for path in PACKAGE.glob("examples/*.py")} == {
        "one_broker.py",
        "three_brokers.py",
        "tls_and_password.py",
    }


def test_the_readme_begins_with_the_first_example() -> None:
    assert BLOCKS[0] == (PACKAGE / "examples" / "one_broker.py").read_text(encoding="utf-8")
    assert f"Apache Kafka {KAFKA_VERSION}" in README


def test_the_readmes_test_passes_with_the_plugins_broker(tmp_path: Path) -> None:
    imports = "from confluent_kafka.admin import AdminClient, NewTopic\n\n\n"
    (tmp_path / "test_readme.py").write_text(imports + BLOCKS[1])
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", str(tmp_path)]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert "1 passed" in result.stdout, result.stdout
