import fcntl
from pathlib import Path

import pytest

from kafka_local.clock import ManualClock
from kafka_local.errors import LocalKafkaError
from kafka_local.java import Java
from kafka_local.node import Node, new_cluster_id


def launch(node: Node, *classpath: Path) -> None:
    node.launch(Java(classpath=classpath), {}, cluster_id=new_cluster_id())


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node = Node(tmp_path / "file" / "data", ManualClock())
    with pytest.raises(LocalKafkaError, match=r"can't run in .*file/data .*choose another"):
        launch(node)


def test_a_directory_with_a_broker_in_it_is_refused_untouched(tmp_path: Path) -> None:
    with (tmp_path / "in-use").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        with pytest.raises(LocalKafkaError, match=r"A broker runs in .* already; stop it"):
            launch(Node(tmp_path, ManualClock()))
    assert [path.name for path in tmp_path.iterdir()] == ["in-use"]


def test_a_node_that_was_not_started_can_be_ended(tmp_path: Path) -> None:
    node = Node(tmp_path, ManualClock())
    node.terminate()
    node.stop(grace_s=1)
    node.kill()
    assert node.pid is None


def test_the_cluster_of_a_directory_is_known_once_it_is_formatted(tmp_path: Path) -> None:
    node = Node(tmp_path, ManualClock())
    assert node.cluster_id is None
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "meta.properties").write_text("#\nversion=1\ncluster.id=Ab-9_w\n")
    assert node.cluster_id == "Ab-9_w"


def test_a_java_that_lacks_kafka_ends_in_a_sentence_with_the_path_of_the_log(
    tmp_path: Path,
) -> None:
    node = Node(tmp_path, ManualClock())
    with pytest.raises(
        LocalKafkaError, match=r"can't prepare its storage .*StorageTool.*broker\.log"
    ):
        launch(node, tmp_path / "none.jar")
    assert node.pid is None
    node.kill()
    with (tmp_path / "in-use").open("w") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the next node may have the directory
