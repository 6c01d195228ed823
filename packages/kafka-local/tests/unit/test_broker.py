import socket
from pathlib import Path

import pytest

from kafka_local import EmbeddedKafka
from kafka_local.errors import LocalKafkaError


def test_the_address_is_known_before_the_start_only_if_a_port_was_named(tmp_path: Path) -> None:
    assert EmbeddedKafka(tmp_path, port=29_092).bootstrap_servers == "127.0.0.1:29092"
    with pytest.raises(LocalKafkaError, match="start it first"):
        _ = EmbeddedKafka(tmp_path).bootstrap_servers


def test_a_port_in_use_is_refused_before_anything_is_downloaded_or_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        kafka = EmbeddedKafka(tmp_path / "data", port=port, cache_dir=tmp_path / "cache")
        with pytest.raises(LocalKafkaError, match=f"Port {port} of 127.0.0.1 is in use; stop"):
            kafka.start()
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_is_down_can_be_ended_again(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path)
    kafka.stop()
    kafka.kill()
    assert kafka.pid is None
