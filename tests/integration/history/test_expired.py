from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_local import EmbeddedKafka

from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import DEDUPED, TOPICS
from txfeatures.history.comparison import Finding
from txfeatures.history.expired import expired
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0


def found(admin: KafkaAdmin) -> list[Finding] | None:
    try:
        return expired(admin)
    except TransientError:  # the group's coordinator is not there yet
        return None


def test_records_deleted_before_the_archive_was_written_are_named(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as broker, ExitStack() as stack:
        operator = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        admin = stack.enter_context(closing(KafkaAdmin(kafka)))
        admin.create(TOPICS, partitions=1, replication=1, keep_forever=True)
        sink = stack.enter_context(closing(KafkaSink(kafka, client_id="test")))
        record = OutgoingRecord(
            topic=DEDUPED, key=b"k", value=b"{}", timestamp_ms=1_729_335_000_000, partition=0
        )
        sink.publish([record] * 10)
        reader = stack.enter_context(
            closing(
                Consumer(
                    {
                        "bootstrap.servers": broker.bootstrap_servers,
                        "group.id": "fs_writer-archive",
                    }
                )
            )
        )
        reader.commit(offsets=[TopicPartition(DEDUPED, 0, 2)], asynchronous=False)
        deadline_s = SystemClock().monotonic() + PATIENCE_S
        while (before := found(admin)) is None:
            assert SystemClock().monotonic() < deadline_s
        assert before == []
        gone = TopicPartition(DEDUPED, 0, 7)
        operator.delete_records([gone])[gone].result()
        (finding,) = expired(admin)
    assert finding.where == "kafka"
    assert "5 records of deduped partition 0 were gone before fs_writer-archive" in finding.detail
