"""A cluster of three brokers, which loses one at a time."""

from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_local import EmbeddedKafka, ListenerSecurity
from kafka_local.certificates import Authority

pytestmark = pytest.mark.integration

PASSWORD = "hidden-password"


class Client:
    """Talks to a cluster whose clients must log in."""

    def __init__(self, kafka: EmbeddedKafka, authority: Authority) -> None:
        self.settings: dict[str, str | int | float | bool] = {
            "bootstrap.servers": kafka.bootstrap_servers,
            "security.protocol": "sasl_ssl",
            "ssl.ca.location": str(authority.file),
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": "me",
            "sasl.password": PASSWORD,
            "log_level": 0,
        }

    def make_topic(self, name: str) -> None:
        admin = AdminClient(self.settings)
        admin.create_topics([NewTopic(name, 3)])[name].result(30)

    def replicas(self, topic: str) -> list[int]:
        metadata = AdminClient(self.settings).list_topics(topic, timeout=10)
        return [len(part.replicas) for part in metadata.topics[topic].partitions.values()]

    def produce(self, topic: str, values: range) -> None:
        refused: list[object] = []
        producer = Producer({**self.settings, "transactional.id": "test"})
        producer.init_transactions(60)
        producer.begin_transaction()
        for value in values:
            producer.produce(
                topic,
                str(value).encode(),
                partition=value % 3,
                on_delivery=lambda error, _: refused.append(error) if error else None,
            )
        producer.commit_transaction(60)
        assert refused == []

    def read(self, topic: str, count: int) -> set[int]:
        consumer = Consumer(
            {**self.settings, "group.id": "unused", "auto.offset.reset": "earliest"}
        )
        try:
            consumer.assign([TopicPartition(topic, number, 0) for number in range(3)])
            values = [message.value() for message in consumer.consume(count, 30)]
            return {int(value) for value in values if value is not None}
        finally:
            consumer.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"), "authority")


@pytest.fixture(scope="module")
def kafka(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[EmbeddedKafka]:
    security = ListenerSecurity(key_and_certificate=authority.broker(), users={"me": PASSWORD})
    directory = tmp_path_factory.mktemp("cluster")
    with EmbeddedKafka(directory, brokers=3, security=security) as cluster:
        yield cluster


@pytest.fixture
def client(kafka: EmbeddedKafka, authority: Authority) -> Client:
    return Client(kafka, authority)


def test_each_broker_may_be_killed_in_turn_and_no_record_is_lost(
    kafka: EmbeddedKafka, client: Client
) -> None:
    client.make_topic("kills")
    assert client.replicas("kills") == [3, 3, 3]
    for turn, broker in enumerate(kafka.brokers):
        broker.kill()
        assert broker.pid is None
        client.produce("kills", range(turn * 100, turn * 100 + 100))
        broker.start()
    assert client.read("kills", 300) == set(range(300))


def test_a_stopped_cluster_comes_back_with_its_records_and_addresses(
    kafka: EmbeddedKafka, client: Client
) -> None:
    client.make_topic("stops")
    client.produce("stops", range(30))
    before = kafka.bootstrap_servers
    kafka.stop()
    assert [broker.pid for broker in kafka.brokers] == [None, None, None]
    kafka.start()
    assert kafka.bootstrap_servers == before
    assert client.read("stops", 30) == set(range(30))


def test_starting_a_cluster_that_is_up_changes_nothing(kafka: EmbeddedKafka) -> None:
    pids = [broker.pid for broker in kafka.brokers]
    kafka.start()
    assert None not in pids
    assert [broker.pid for broker in kafka.brokers] == pids
