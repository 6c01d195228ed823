from collections.abc import Mapping
from pathlib import Path

import pytest

from kafka_local import startup
from kafka_local.clock import Clock, ManualClock
from kafka_local.errors import LocalKafkaError
from kafka_local.java import Java


class FakeNode:
    """A node that writes the startup cache when it stops, as Java does, or fails to."""

    starts = 0
    writes = True
    serves = True

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        pass

    def launch(self, java: Java, properties: Mapping[str, str], *, cluster_id: str) -> None:
        type(self).starts += 1
        self._output = Path(java.options[-1].removeprefix("-XX:AOTCacheOutput="))

    def wait_until_serving(self, port: int) -> None:
        if not self.serves:
            raise LocalKafkaError("Kafka ended while it started")

    def stop(self, grace_s: float) -> None:
        if self.writes:
            self._output.write_bytes(b"cache")

    def kill(self) -> None:
        type(self).starts -= 1


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> type[FakeNode]:
    class Node(FakeNode):
        pass

    monkeypatch.setattr(startup, "Node", Node)
    return Node


@pytest.fixture
def java(tmp_path: Path) -> Java:
    jar = tmp_path / "a.jar"
    jar.write_bytes(b"jar")
    return Java(classpath=(jar,))


def test_the_cache_is_made_once_and_used_from_then_on(
    node: type[FakeNode], java: Java, tmp_path: Path
) -> None:
    first = startup.with_startup_cache(java, tmp_path, ManualClock())
    second = startup.with_startup_cache(java, tmp_path, ManualClock())
    assert node.starts == 1
    assert first == second
    assert first.options[: len(java.options)] == java.options
    cache = Path(first.options[-1].removeprefix("-XX:AOTCache="))
    assert cache.read_bytes() == b"cache"
    assert {path.name for path in tmp_path.iterdir()} == {"a.jar", cache.name}


def test_other_jars_get_another_cache(node: type[FakeNode], java: Java, tmp_path: Path) -> None:
    first = startup.with_startup_cache(java, tmp_path, ManualClock())
    java.classpath[0].write_bytes(b"another")
    assert startup.with_startup_cache(java, tmp_path, ManualClock()) != first
    assert node.starts == 2


def test_a_java_that_writes_no_cache_only_starts_slower(
    node: type[FakeNode], java: Java, tmp_path: Path
) -> None:
    node.writes = False
    assert startup.with_startup_cache(java, tmp_path, ManualClock()) == java


def test_a_broker_that_does_not_serve_is_ended_and_only_makes_starts_slower(
    node: type[FakeNode], java: Java, tmp_path: Path
) -> None:
    node.serves = False
    assert startup.with_startup_cache(java, tmp_path, ManualClock()) == java
    assert node.starts == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.jar"}


def test_a_cache_directory_that_takes_no_files_only_makes_starts_slower(
    node: type[FakeNode], java: Java, tmp_path: Path
) -> None:
    assert startup.with_startup_cache(java, tmp_path / "absent", ManualClock()) == java
    assert node.starts == 0
