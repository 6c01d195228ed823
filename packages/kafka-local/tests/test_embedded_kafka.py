"""The embedded broker, with the jars of the user's cache: the first run downloads them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_local import EmbeddedKafka, LocalKafkaError, ensure_jars
from kafka_local.jars import default_cache_dir
from kafka_local.ports import is_free

pytestmark = pytest.mark.integration

LARGE_VALUE = os.urandom(6_000_000)
IN_2015_MS = 1_433_000_000_000


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        yield broker


def port_of(kafka: EmbeddedKafka) -> int:
    return int(kafka.bootstrap_servers.rpartition(":")[2])


def pid_of(kafka: EmbeddedKafka) -> int | None:
    return kafka.brokers[0].pid


def create_topic(kafka: EmbeddedKafka, name: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    admin.create_topics([NewTopic(name, 1, 1, config=config)])[name].result(30)


def produce(kafka: EmbeddedKafka, topic: str, value: bytes, *, timestamp_ms: int) -> None:
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "message.max.bytes": 12_000_000}
    producer = Producer(settings)
    refused: list[object] = []
    producer.produce(
        topic, value, timestamp=timestamp_ms, on_delivery=lambda error, _: refused.append(error)
    )
    assert producer.flush(30) == 0
    assert refused == [None]


def first_record(kafka: EmbeddedKafka, topic: str) -> Message:
    settings = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "group.id": "unused",
        "auto.offset.reset": "error",
    }
    consumer = Consumer(settings)
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        record = consumer.poll(30)
        assert record is not None
        assert record.error() is None
        return record
    finally:
        consumer.close()


def test_a_large_record_of_an_old_date_survives_a_kill_and_a_restart(kafka: EmbeddedKafka) -> None:
    create_topic(kafka, "raw", **{"max.message.bytes": "12000000"})
    produce(kafka, "raw", LARGE_VALUE, timestamp_ms=IN_2015_MS)
    before = kafka.bootstrap_servers

    kafka.kill()
    assert pid_of(kafka) is None
    kafka.start()

    assert kafka.bootstrap_servers == before
    record = first_record(kafka, "raw")
    assert record.value() == LARGE_VALUE
    assert record.timestamp() == (TIMESTAMP_CREATE_TIME, IN_2015_MS)


def test_a_record_of_a_far_future_date_is_taken(kafka_broker: EmbeddedKafka) -> None:
    create_topic(kafka_broker, "future")
    produce(kafka_broker, "future", b"{}", timestamp_ms=4_102_444_800_000)
    assert first_record(kafka_broker, "future").timestamp()[1] == 4_102_444_800_000


def test_a_transaction_commits_on_a_single_node(kafka_broker: EmbeddedKafka) -> None:
    create_topic(kafka_broker, "deduped")
    servers = kafka_broker.bootstrap_servers
    producer = Producer({"bootstrap.servers": servers, "transactional.id": "t"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce("deduped", b"once")
    producer.commit_transaction(30)
    assert first_record(kafka_broker, "deduped").value() == b"once"


def test_stop_leaves_neither_a_process_nor_a_taken_port(kafka: EmbeddedKafka) -> None:
    pid, port = pid_of(kafka), port_of(kafka)
    assert pid is not None
    assert not is_free(port)
    kafka.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert is_free(port)


def test_a_broker_that_died_by_itself_can_be_started_again(kafka: EmbeddedKafka) -> None:
    pid = pid_of(kafka)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while pid_of(kafka) is not None:
        pass
    kafka.start()
    create_topic(kafka, "raw")


def test_a_restart_whose_port_was_taken_meanwhile_is_refused(
    kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    port = port_of(kafka)
    kafka.stop()
    with (
        EmbeddedKafka(tmp_path / "other", port=port),
        pytest.raises(LocalKafkaError, match=f"Port {port} of 127.0.0.1 is in use"),
    ):
        kafka.start()


def test_a_second_broker_on_the_same_directory_is_refused_and_the_first_lives_on(
    kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    with pytest.raises(LocalKafkaError, match=r"A broker runs in .* already"):
        EmbeddedKafka(tmp_path / "kafka").start()
    create_topic(kafka, "raw")


def test_a_setting_that_kafka_refuses_is_named(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path, properties={"log.segment.bytes": "many"})
    with pytest.raises(LocalKafkaError, match=r"Invalid value many for configuration log\.segment"):
        kafka.start()
    assert pid_of(kafka) is None


def test_a_directory_with_any_characters_in_its_name_will_do(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path / "a, b=ü \\ c") as kafka:
        create_topic(kafka, "raw")


def test_a_filled_cache_is_enough_for_a_machine_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = ensure_jars()[0].parent
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    default_cache_dir().parent.mkdir(parents=True)
    default_cache_dir().symlink_to(filled)
    assert all(jar.is_relative_to(tmp_path) and jar.exists() for jar in ensure_jars())
