"""Topics are made, and can be used when that returns, whatever the brokers are like."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka import admin as module
from txfeatures.kafka import client as client_module
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import KafkaSettings

SETTINGS = KafkaSettings(bootstrap_servers="first:9092")
TWO_BROKERS = {
    number: SimpleNamespace(host=host, port=9092) for number, host in enumerate(("first", "second"))
}


def partitions(count: int, leader: int = 0) -> SimpleNamespace:
    found = {number: SimpleNamespace(leader=leader) for number in range(count)}
    return SimpleNamespace(partitions=found, error=None)


class Cluster:
    """Two brokers; the second shows topics late, first without leaders."""

    def __init__(self) -> None:
        self.topics: dict[str, SimpleNamespace] = {}
        self.configs: dict[str, Mapping[str, str]] = {}
        self.unknown: set[str] = set()
        self.lag = 0
        self.is_second_down = False

    def client(self, _kind: object, properties: dict[str, Any]) -> "Client":
        return Client(self, properties["bootstrap.servers"])


class Client:
    def __init__(self, cluster: Cluster, address: str) -> None:
        self._cluster = cluster
        self._is_second = address == "second:9092"

    def list_topics(self, timeout: float) -> SimpleNamespace:
        topics = self._cluster.topics
        if self._is_second and self._cluster.is_second_down:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        if self._is_second and topics and self._cluster.lag:
            self._cluster.lag -= 1
            one_has_none = {name: partitions(2, leader=-1) for name in topics}
            topics = one_has_none if self._cluster.lag == 0 else {}
        return SimpleNamespace(topics=topics, brokers=TWO_BROKERS)

    def create_topics(self, new: Sequence[Any]) -> dict[str, Future[None]]:
        return {topic.topic: self._create(topic) for topic in new}

    def _create(self, topic: Any) -> Future[None]:
        future: Future[None] = Future()
        if unknown := sorted(self._cluster.unknown & topic.config.keys()):
            text = f"Unknown topic config name: {unknown[0]}"
            future.set_exception(KafkaException(KafkaError(KafkaError.INVALID_CONFIG, text)))
        elif topic.topic in self._cluster.topics:
            future.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_ALREADY_EXISTS)))
        else:
            self._cluster.topics[topic.topic] = partitions(topic.num_partitions)
            self._cluster.configs[topic.topic] = topic.config
            future.set_result(None)
        return future

    def poll(self, _timeout_s: float) -> None: ...

    def flush(self, _timeout_s: float) -> int:
        return 0


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(module, "open_client", cluster.client)
    monkeypatch.setattr(client_module, "open_client", cluster.client)
    return cluster


def create(clock: ManualClock | None = None, count: int = 2) -> list[str]:
    admin = KafkaAdmin(SETTINGS, clock or ManualClock())
    return admin.create(TOPICS, partitions=count, replication=1, keep_forever=False)


def test_creation_is_over_when_every_broker_lists_the_topics_with_leaders(
    cluster: Cluster,
) -> None:
    cluster.lag = 3
    clock = ManualClock()
    assert create(clock) == [topic.name for topic in TOPICS]
    assert cluster.lag == 0
    assert clock.monotonic() == pytest.approx(3 * module.VISIBLE_RETRY_S)
    assert create() == []


def test_a_broker_that_never_lists_a_topic_is_reported(cluster: Cluster) -> None:
    cluster.lag = 1_000_000
    with pytest.raises(TransientError, match=r"topics raw, .* not every broker .* run it again"):
        create()


def test_a_broker_that_is_down_is_not_waited_for(cluster: Cluster) -> None:
    cluster.is_second_down = True
    assert len(create()) == len(TOPICS)


def test_configuration_that_brokers_before_3_6_do_not_know_is_left_out(cluster: Cluster) -> None:
    cluster.unknown = {"message.timestamp.after.max.ms"}
    with capture_logs() as logs:
        assert len(create()) == len(TOPICS)
    assert [(log["event"], log["names"]) for log in logs] == [
        ("topic_config_left_out", ["message.timestamp.after.max.ms"])
    ]
    assert cluster.configs.keys() == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        config = topic.config(keep_forever=False)
        del config["message.timestamp.after.max.ms"]
        assert cluster.configs[topic.name] == config


def test_topics_take_the_largest_record_of_the_settings(cluster: Cluster) -> None:
    settings = SETTINGS.model_copy(update={"max_record_bytes": 5_000_000})
    KafkaAdmin(settings, ManualClock()).create(
        TOPICS, partitions=2, replication=1, keep_forever=False
    )
    assert {config["max.message.bytes"] for config in cluster.configs.values()} == {"5000000"}


def test_a_refusal_names_the_setting_of_the_kind_of_brokers(cluster: Cluster) -> None:
    cluster.unknown = {"unclean.leader.election.enable"}
    admin = KafkaAdmin(SETTINGS, ManualClock())
    with pytest.raises(FatalError, match="TXF_BOOTSTRAP_BROKER_KIND"):
        admin.create(TOPICS, partitions=2, replication=3, keep_forever=False)
    made = admin.create(TOPICS, partitions=2, replication=3, keep_forever=False, kind="serverless")
    assert len(made) == len(TOPICS)


def test_configuration_that_promises_depend_on_is_never_left_out(cluster: Cluster) -> None:
    cluster.unknown = {"cleanup.policy"}
    with pytest.raises(FatalError, match=r"was not made.*Unknown topic config name"):
        create()


def test_added_partitions_are_refused_with_the_way_out(cluster: Cluster) -> None:
    create()
    cluster.topics["raw"] = partitions(3)
    for count in (2, 3):
        with pytest.raises(FatalError, match=r"differ \(raw 3, deduped 2, .* delete all topics"):
            create(count=count)


def test_a_producer_of_keyed_records_stops_when_partitions_were_added(cluster: Cluster) -> None:
    create()
    clock = ManualClock()
    sink = KafkaSink(SETTINGS, client_id="t", alike=("raw", "deduped", "invisible"), clock=clock)

    sink.publish([])
    cluster.topics["raw"] = partitions(3)
    sink.publish([])
    clock.advance(client_module.VERIFY_AFTER_S)
    for _ in range(2):
        with pytest.raises(FatalError, match=r"differ \(raw 3, deduped 2\)"):
            sink.publish([])
