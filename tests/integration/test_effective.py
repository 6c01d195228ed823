"""The configuration that real brokers apply, as bootstrap judges it."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)
from kafka_local import EmbeddedKafka

from tests.support.waiting import wait_until
from txfeatures.domain.topics import DEDUPED, MAX_RECORD_BYTES, RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.effective import read_effective
from txfeatures.kafka.safety import Demands, Finding, findings
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration

UNSAFE_DEFAULTS = {
    "auto.create.topics.enable": "true",
    "offsets.retention.minutes": "60",
    "unclean.leader.election.enable": "true",
    "min.insync.replicas": "1",
    "message.max.bytes": "1048588",
    "log.retention.bytes": "1048576",
    "log.message.timestamp.after.max.ms": "3600000",
}
"""What the operators of a cluster may have set, some of it being MSK's default."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    directory = tmp_path_factory.mktemp("kafka")
    with EmbeddedKafka(directory, brokers=3, properties=UNSAFE_DEFAULTS) as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        with closing(KafkaAdmin(settings)) as admin:
            admin.create(TOPICS, partitions=2, replication=3, keep_forever=False)
        yield settings


def judged(kafka: KafkaSettings) -> list[Finding]:
    found = read_effective(kafka, TOPICS, with_brokers=True)
    assert found.denied == ()
    assert found.broker_count == len(found.brokers) == 3
    demands = Demands(max_record_bytes=MAX_RECORD_BYTES)
    return findings(found.topics, found.brokers, broker_count=3, demands=demands)


def of_topics(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.resources[0].startswith("topic ")]


def test_what_bootstrap_creates_is_safe_whatever_the_brokers_defaults_are(
    kafka: KafkaSettings,
) -> None:
    assert of_topics(judged(kafka)) == []


def test_unsafe_defaults_of_the_brokers_are_found_on_each(kafka: KafkaSettings) -> None:
    found = [f for f in judged(kafka) if f.resources == ("broker 1", "broker 2", "broker 3")]
    assert [finding.problem.split()[0] for finding in found] == [
        "auto.create.topics.enable",
        "unclean.leader.election.enable",
        "offsets.retention.minutes",
    ]


def test_a_topic_that_others_made_or_changed_is_found(kafka: KafkaSettings) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    for deleted in admin.delete_topics([RAW]).values():
        deleted.result()
    wait_until(lambda: RAW not in admin.list_topics(timeout=5).topics)
    for created in admin.create_topics([NewTopic(RAW, 2, 1)]).values():
        created.result()
    entry = ConfigEntry(
        "unclean.leader.election.enable",
        "true",
        incremental_operation=AlterConfigOpType.SET,
    )
    resource = ConfigResource("topic", DEDUPED, incremental_configs=[entry])
    for altered in admin.incremental_alter_configs([resource]).values():
        altered.result()
    wait_until(lambda: len(of_topics(judged(kafka))) == 5)
    problems = {
        finding.problem.split(",")[0]: finding.resources for finding in of_topics(judged(kafka))
    }
    assert problems == {
        "it has 1 replica on 3 brokers": ("topic raw",),
        "unclean.leader.election.enable is true": ("topic deduped",),
        "retention.bytes is 1048576": ("topic raw",),
        "max.message.bytes is 1048588": ("topic raw",),
        "message.timestamp.after.max.ms is 3600000": ("topic raw",),
    }
