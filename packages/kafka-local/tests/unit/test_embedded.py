import socket
from pathlib import Path

import pytest

from kafka_local import EmbeddedKafka, LocalKafkaError


def test_the_address_is_known_before_the_start(tmp_path: Path) -> None:
    assert EmbeddedKafka(tmp_path, port=29_092).bootstrap_servers == "127.0.0.1:29092"
    kafka = EmbeddedKafka(tmp_path)
    assert kafka.bootstrap_servers == kafka.brokers[0].bootstrap_servers != "127.0.0.1:0"


def test_the_brokers_of_a_cluster_have_ports_in_a_row_and_directories_of_their_own(
    tmp_path: Path,
) -> None:
    kafka = EmbeddedKafka(tmp_path, brokers=3, port=29_092)
    assert kafka.bootstrap_servers == "127.0.0.1:29092,127.0.0.1:29093,127.0.0.1:29094"
    assert [broker.log_path for broker in kafka.brokers] == [
        tmp_path / f"broker-{number}" / "broker.log" for number in (1, 2, 3)
    ]
    ports = [port for broker in kafka.brokers for port in broker.address.ports]
    assert len(set(ports)) == len(ports) == 6


def test_a_cluster_without_brokers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalKafkaError, match="ask for one or more"):
        EmbeddedKafka(tmp_path, brokers=0)


@pytest.mark.parametrize("brokers", [1, 3])
def test_a_port_in_use_is_refused_before_anything_is_downloaded_or_written(
    tmp_path: Path, brokers: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        kafka = EmbeddedKafka(
            tmp_path / "data",
            brokers=brokers,
            port=port - brokers + 1,
            cache_dir=tmp_path / "cache",
        )
        with pytest.raises(LocalKafkaError, match=r"Port \d+ of 127.0.0.1 is in use; stop"):
            kafka.start()
    assert list(tmp_path.iterdir()) == []


def test_brokers_that_are_down_can_be_ended_again(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, brokers=2)
    kafka.stop()
    kafka.kill()
    assert [broker.pid for broker in kafka.brokers] == [None, None]
