"""A right that is missing is named by the error, on a broker with the declared ACLs."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.iam.declared import PROCESSES
from deploy.iam.kafka import Acl
from tests.support.acl_kafka import ADMINISTRATOR, AclKafka, acl_kafka
from tests.support.waiting import wait_until
from txfeatures.dead_letters.replay import TRANSACTIONAL_ID
from txfeatures.domain.errors import FatalError, TransientError, TxFeaturesError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import AGGREGATED, LATE, RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink, topic_partitions
from txfeatures.kafka.effective import read_effective
from txfeatures.kafka.source import KafkaSource
from txfeatures.kafka.transactions import TransactionalSink
from txfeatures_fs_writer.features_step import GROUP

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AclKafka]:
    with acl_kafka(tmp_path_factory.mktemp("acl")) as kafka:
        create(kafka, ADMINISTRATOR)
        yield kafka


def create(kafka: AclKafka, user: str) -> None:
    topics = [topic for topic in TOPICS if topic.name != LATE]
    with closing(KafkaAdmin(kafka.settings(user))) as admin:
        admin.create(topics, partitions=1, replication=1, keep_forever=True)


def right(process: str, action: str, name: str) -> Acl:
    declared = PROCESSES[process].kafka
    assert declared
    (found,) = [acl for acl in declared.acls() if (acl.action, acl.name) == (action, name)]
    return found


def record(topic: str) -> OutgoingRecord:
    return OutgoingRecord(topic=topic, key=b"k", value=b"v", timestamp_ms=1)


def read_error(kafka: AclKafka) -> str:
    """Return the first error of a reader that is about a right."""
    found: list[str] = []
    source = KafkaSource(kafka.settings("fs_writer"), [AGGREGATED], group=GROUP)
    with closing(source):

        def is_denied() -> bool:
            try:
                source.poll(max_records=1, timeout_s=0.2)
            except TxFeaturesError as error:
                found.append(str(error))
            return any("Kafka denies" in message for message in found)

        wait_until(is_denied)
    return found[-1]


def test_a_topic_that_may_not_be_read(kafka: AclKafka) -> None:
    with kafka.without("fs_writer", right("fs_writer", "ReadData", AGGREGATED)):
        assert "Kafka denies Read on topic aggregated: grant it" in read_error(kafka)


def test_a_group_that_may_not_be_joined(kafka: AclKafka) -> None:
    with kafka.without("fs_writer", right("fs_writer", "AlterGroup", GROUP)):
        message = read_error(kafka)
    assert f"Kafka denies Read on group {GROUP}: " in message
    assert "kafka-cluster:AlterGroup; `python -m deploy.iam` writes the rights" in message


def test_a_topic_that_may_not_be_written(kafka: AclKafka) -> None:
    denied = pytest.raises(TransientError, match="Kafka denies Write on topic raw: ")
    with (
        kafka.without("poller", right("poller", "WriteData", RAW)),
        closing(KafkaSink(kafka.settings("poller"), client_id="t")) as sink,
        denied,
    ):
        sink.publish([record(RAW)])


def test_a_topic_that_may_not_be_seen(kafka: AclKafka) -> None:
    with pytest.raises(TransientError, match="Kafka denies Describe on topic late: "):
        topic_partitions(kafka.settings("keda"), LATE)


def test_a_topic_that_may_not_be_created(kafka: AclKafka) -> None:
    (late,) = [topic for topic in TOPICS if topic.name == LATE]
    denied = pytest.raises(FatalError, match="Kafka denies Create on topic late: ")
    with (
        kafka.without("bootstrap", right("bootstrap", "CreateTopic", LATE)),
        closing(KafkaAdmin(kafka.settings("bootstrap"))) as admin,
        denied,
    ):
        admin.create([late], partitions=1, replication=1, keep_forever=True)


def test_a_transaction_that_may_not_be_made(kafka: AclKafka) -> None:
    denied = pytest.raises(
        FatalError, match=f"Kafka denies Write on transactional id {TRANSACTIONAL_ID}: "
    )
    with kafka.without("dlq", right("dlq", "AlterTransactionalId", TRANSACTIONAL_ID)), denied:
        TransactionalSink(kafka.settings("dlq"), transactional_id=TRANSACTIONAL_ID)


def test_configuration_of_brokers_that_may_not_be_read(kafka: AclKafka) -> None:
    acl = right("bootstrap", "DescribeClusterDynamicConfiguration", "")
    with kafka.without("bootstrap", acl):
        found = read_effective(kafka.settings("bootstrap"), TOPICS, with_brokers=True)
    assert len(found.topics) == len(TOPICS) - 1
    assert found.brokers == {}
    (sentence,) = found.denied
    assert sentence.startswith("Kafka denies DescribeConfigs on the cluster: ")
