import fcntl
from pathlib import Path

import pytest

from kafka_local.clock import ManualClock
from kafka_local.errors import LocalKafkaError
from kafka_local.java import Java
from kafka_local.node import Node, cause_of

_CHAIN = """\
[2026-01-01] INFO starting
java.lang.RuntimeException: outer
    at kafka.Kafka.main(Kafka.scala)
Caused by: java.net.BindException: Address already in use. Try another.
    at java.base/sun.nio.ch.Net.bind0(Native Method)
    ... 7 more
[2026-01-01] INFO shut down completed
"""


def test_the_root_of_a_chain_of_exceptions_is_the_cause() -> None:
    assert cause_of(_CHAIN) == "java.net.BindException: Address already in use"


def test_an_exception_that_ended_the_main_thread_is_the_cause() -> None:
    log = 'Exception in thread "main" a.b.ConfigException: Invalid value x\n\tat a.b.C(D.java:1)\n'
    assert cause_of(log) == "a.b.ConfigException: Invalid value x"


def test_without_an_exception_the_last_line_is_the_cause() -> None:
    assert cause_of("one\nUnrecognized VM option 'Y'.\n\n") == "Unrecognized VM option 'Y'"


def test_a_silent_end_is_said_to_be_one() -> None:
    assert cause_of("\n") == "it said nothing"


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node = Node(Java(classpath=()), tmp_path / "file" / "data", {}, ManualClock())
    with pytest.raises(LocalKafkaError, match=r"can't run in .*file/data .*choose another"):
        node.start(port=1, controller_port=2)


def test_a_directory_with_a_broker_in_it_is_refused_untouched(tmp_path: Path) -> None:
    with (tmp_path / "in-use").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        node = Node(Java(classpath=()), tmp_path, {}, ManualClock())
        with pytest.raises(LocalKafkaError, match=r"A broker runs in .* already; stop it"):
            node.start(port=1, controller_port=2)
    assert [path.name for path in tmp_path.iterdir()] == ["in-use"]


def test_a_node_that_was_not_started_can_be_ended(tmp_path: Path) -> None:
    node = Node(Java(classpath=()), tmp_path, {}, ManualClock())
    node.stop(grace_s=1)
    node.kill()
    assert node.pid is None


def test_a_java_that_lacks_kafka_ends_in_a_sentence_with_the_path_of_the_log(
    tmp_path: Path,
) -> None:
    node = Node(Java(classpath=(tmp_path / "none.jar",)), tmp_path, {}, ManualClock())
    with pytest.raises(
        LocalKafkaError, match=r"can't prepare its storage .*StorageTool.*broker\.log"
    ):
        node.start(port=1, controller_port=2)
    assert node.pid is None
    with (tmp_path / "in-use").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the next node may have the directory
