"""The Kafka clients against the image that docker-compose.yml runs."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka_local.ports import HOST, free_port
from kafka_local.properties import MAX_MESSAGE_BYTES
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.compose.stack import no_engine
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import LATE, MAX_RECORD_BYTES, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.source import KafkaSource
from txfeatures.process.settings import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.compose]

IMAGE = "apache/kafka:4.1.0"


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    if reason := no_engine():
        pytest.skip(reason)
    testcontainers_config.ryuk_disabled = True  # the context manager removes the container
    port = free_port()
    container = DockerContainer(IMAGE).with_bind_ports(f"{port}/tcp", port)
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{HOST}:{port}",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_MESSAGE_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        "KAFKA_REPLICA_FETCH_MAX_BYTES": str(MAX_MESSAGE_BYTES),
        "KAFKA_HEAP_OPTS": "-Xmx512m",
    }
    for name, value in environment.items():
        container.with_env(name, value)
    container.waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    with container:
        settings = KafkaSettings(bootstrap_servers=f"{HOST}:{port}")
        KafkaAdmin(settings).create(TOPICS, partitions=4, replication=1, keep_forever=True)
        yield settings


def test_what_was_acknowledged_is_read_back_byte_for_byte(kafka: KafkaSettings) -> None:
    sent = [
        OutgoingRecord(topic=LATE, key=b"%d" % n, value=b"v" * size, timestamp_ms=n + 1)
        for n, size in enumerate((1, 1000, MAX_RECORD_BYTES - 1000))
    ]
    with closing(KafkaSink(kafka, client_id="test")) as sink:
        sink.publish(sent)
    found: list[Record] = []
    with closing(KafkaSource(kafka, [LATE], group="test")) as source:
        while len(found) < len(sent):
            found += source.poll(max_records=100, timeout_s=1.0)
    assert {r.key: (r.value, r.timestamp_ms) for r in found} == {
        r.key: (r.value, r.timestamp_ms) for r in sent
    }
