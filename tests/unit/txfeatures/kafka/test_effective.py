"""Configuration is read as far as the brokers allow."""

from collections.abc import Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource, ResourceType

from txfeatures.domain.errors import TransientError
from txfeatures.domain.topics import RAW, TOPICS
from txfeatures.kafka import effective as module
from txfeatures.kafka.effective import Effective, read_effective
from txfeatures.process.settings import KafkaSettings

TOPIC = {"min.insync.replicas": "1", "leader.replication.throttled.replicas": None}
BROKER = {"auto.create.topics.enable": "true"}


class Client:
    """Two brokers with the topics ``raw`` and one that is not ours."""

    def __init__(self) -> None:
        self.errors: dict[str, int] = {}
        self.asked: list[list[tuple[ResourceType, str]]] = []

    def list_topics(self, **_: Any) -> SimpleNamespace:
        if code := self.errors.get("metadata"):
            raise KafkaException(KafkaError(code))
        partitions = {
            number: SimpleNamespace(replicas=list(range(replicas)))
            for number, replicas in enumerate((3, 2))
        }
        topic = SimpleNamespace(partitions=partitions)
        return SimpleNamespace(topics={RAW: topic, "other": topic}, brokers={7: None, 3: None})

    def describe_configs(
        self, resources: Sequence[ConfigResource], **_: Any
    ) -> dict[ConfigResource, Future[Any]]:
        self.asked.append([(resource.restype, resource.name) for resource in resources])
        return {resource: self._answer(resource) for resource in resources}

    def _answer(self, resource: ConfigResource) -> Future[Any]:
        future: Future[Any] = Future()
        if code := self.errors.get(resource.name):
            future.set_exception(KafkaException(KafkaError(code)))
        else:
            config = TOPIC if resource.restype == ResourceType.TOPIC else BROKER
            values = {name: SimpleNamespace(value=value) for name, value in config.items()}
            future.set_result(values)
        return future

    def poll(self, _timeout_s: float) -> None: ...


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(module, "open_client", lambda _kind, _properties: client)
    return client


def read(*, with_brokers: bool = True) -> Effective:
    return read_effective(KafkaSettings(), TOPICS, with_brokers=with_brokers)


def test_existing_topics_and_each_broker_are_read(client: Client) -> None:
    found = read()
    (state,) = found.topics
    assert (state.topic.name, state.replicas) == (RAW, 2)
    assert state.config == {"min.insync.replicas": "1"}
    assert found.brokers == {3: BROKER, 7: BROKER}
    assert found.broker_count == 2
    assert found.denied == ()
    # librdkafka refuses a request for more than one broker.
    assert client.asked == [
        [(ResourceType.TOPIC, RAW)],
        [(ResourceType.BROKER, "3")],
        [(ResourceType.BROKER, "7")],
    ]


def test_brokers_are_left_out_where_nobody_may_read_them(client: Client) -> None:
    found = read(with_brokers=False)
    assert (found.brokers, found.broker_count) == ({}, 2)
    assert len(client.asked) == 1


def test_a_missing_right_is_named_once_and_the_rest_is_read(client: Client) -> None:
    client.errors = dict.fromkeys(("3", "7"), KafkaError.CLUSTER_AUTHORIZATION_FAILED)
    found = read()
    assert [state.topic.name for state in found.topics] == [RAW]
    (sentence,) = found.denied
    assert "Kafka denies DescribeConfigs on the cluster" in sentence
    assert "kafka-cluster:DescribeClusterDynamicConfiguration" in sentence
    client.errors = {RAW: KafkaError.TOPIC_AUTHORIZATION_FAILED}
    (sentence,) = read().denied
    assert "DescribeConfigs on topic raw" in sentence


@pytest.mark.parametrize("where", ["metadata", RAW, "3"])
def test_brokers_that_do_not_answer_are_reported(client: Client, where: str) -> None:
    client.errors = {where: KafkaError._TIMED_OUT}
    with pytest.raises(TransientError, match="does not answer"):
        read()
