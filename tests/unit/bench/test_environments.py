import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka_local.lock import KAFKA_VERSION, read_lock

from bench import environments
from bench.environments import PEERS, SkippedError, java_of, python_of


class Commands:
    """A recorder of commands that runs none and creates empty environments."""

    def __init__(self) -> None:
        self.ran: list[Sequence[str]] = []

    def __call__(self, command: Sequence[str], peer: str) -> None:
        self.ran.append(command)
        if "venv" in command:
            Path(command[-1]).mkdir(exist_ok=True)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    (tmp_path / "mine.txt").write_text("package==1\n")
    monkeypatch.setattr(environments, "PEERS", tmp_path)
    commands = Commands()
    monkeypatch.setattr(environments, "_run", commands)
    return commands


def test_an_environment_holds_exactly_the_pinned_packages(
    commands: Commands, tmp_path: Path
) -> None:
    python = str(python_of("mine", tmp_path))
    venv, pip = commands.ran
    assert venv == [sys.executable, "-m", "venv", "--clear", str(tmp_path / "mine-venv")]
    assert pip[:4] == [python, "-m", "pip", "install"]
    assert pip[-3:] == ["--no-deps", "--requirement", str(tmp_path / "mine.txt")]


def test_an_environment_is_made_once_for_the_same_packages(
    commands: Commands, tmp_path: Path
) -> None:
    python = python_of("mine", tmp_path)
    commands.ran.clear()
    assert python_of("mine", tmp_path) == python
    assert commands.ran == []


def test_an_environment_is_made_anew_for_other_packages(commands: Commands, tmp_path: Path) -> None:
    python_of("mine", tmp_path)
    commands.ran.clear()
    (tmp_path / "mine.txt").write_text("package==2\n")
    python_of("mine", tmp_path)
    assert len(commands.ran) == 2


def test_a_command_that_fails_skips_the_peer_with_its_last_line() -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such package')"]
    with pytest.raises(
        SkippedError, match=r"mine has no environment: .* failed with no such package"
    ):
        environments._run(command, "mine")


def test_without_a_jdk_the_java_peer_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SkippedError, match="no javac on the PATH"):
        java_of("kafka_streams", "Dedup.java", tmp_path)


def test_kafka_streams_is_of_the_brokers_version() -> None:
    coordinates = {jar.coordinate for jar in read_lock(PEERS / "kafka_streams.lock")}
    assert f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}" in coordinates


@pytest.mark.parametrize("peer", ["stock_faust", "quix_streams"])
def test_every_package_of_a_peer_is_pinned(peer: str) -> None:
    lines = (PEERS / f"{peer}.txt").read_text().splitlines()
    assert lines
    assert [line for line in lines if line.count("==") != 1] == []
