"""The Kafka clients against a real broker."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from kafka_local import EmbeddedKafka

from tests.support.waiting import wait_until
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import MAX_RECORD_BYTES, TOPICS, Topic
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink, UndeliveredError, topic_partitions
from txfeatures.kafka.skips import SkippedRecords
from txfeatures.kafka.source import KafkaSource, next_offsets
from txfeatures.kafka.tails import KafkaTail
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration

PARTITIONS = 4

# From Java's org.apache.kafka.common.utils.Utils.murmur2, as its own test has them.
JAVA_MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def kafka(broker: EmbeddedKafka) -> KafkaSettings:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
    KafkaAdmin(settings).create(TOPICS, partitions=PARTITIONS, replication=1, keep_forever=True)
    return settings


def record(topic: str, key: bytes, value: bytes = b"v") -> OutgoingRecord:
    return OutgoingRecord(topic=topic, key=key, value=value, timestamp_ms=1, headers=(("h", b"1"),))


def read(source: KafkaSource, count: int) -> list[Record]:
    found: list[Record] = []
    while len(found) < count:
        found += source.poll(max_records=100, timeout_s=1.0)
    return found


def test_keys_choose_the_partitions_that_java_chooses(kafka: KafkaSettings) -> None:
    with closing(KafkaSink(kafka, client_id="t")) as sink:
        sink.publish([record("late", key) for key in JAVA_MURMUR2])
    with closing(KafkaSource(kafka, ["late"], group="murmur2")) as source:
        chosen = {r.key: r.partition for r in read(source, len(JAVA_MURMUR2))}
    assert chosen == {key: (value & 0x7FFFFFFF) % PARTITIONS for key, value in JAVA_MURMUR2.items()}


def test_the_largest_record_passes_and_a_larger_one_is_refused(kafka: KafkaSettings) -> None:
    largest = b"x" * (MAX_RECORD_BYTES - 1024)
    with closing(KafkaSink(kafka, client_id="t")) as sink:
        sink.publish([record("raw.dlq", b"k", largest)])
        with pytest.raises(FatalError, match="refused a record"):
            sink.publish([record("raw.dlq", b"k", b"x" * (MAX_RECORD_BYTES + 1))])
    with closing(KafkaSource(kafka, ["raw.dlq"], group="largest")) as source:
        assert [r.value for r in read(source, 1)] == [largest]


def test_what_others_wrote_larger_than_ours_is_read(kafka: KafkaSettings) -> None:
    larger = kafka.model_copy(update={"max_record_bytes": 20 * 1024 * 1024})
    topic = Topic(name="larger", key="any", scales=False, description="Made by others.")
    with closing(KafkaAdmin(larger)) as admin:
        admin.create([topic], partitions=1, replication=1, keep_forever=True)
    value = bytes(range(256)) * 70_000  # 17.9 MB
    with closing(KafkaSink(larger, client_id="t")) as sink:
        sink.publish([record("larger", b"k", value), record("larger", b"k")])
    smaller = kafka.model_copy(update={"max_record_bytes": 1024 * 1024})
    refused = pytest.raises(FatalError, match="refused a record")
    with closing(KafkaSink(smaller, client_id="t")) as sink, refused:
        sink.publish([record("larger", b"k", b"x" * 1024 * 1024)])
    with closing(KafkaSource(smaller, ["larger"], group="larger")) as source:
        assert [r.value for r in read(source, 2)] == [value, b"v"]


def test_the_end_of_a_topic_is_that_of_committed_records_and_their_marker(
    kafka: KafkaSettings,
) -> None:
    with closing(KafkaSink(kafka, client_id="t")) as sink:  # leads each partition by now
        sink.publish([replace(record("deduped", b"k"), partition=n) for n in range(PARTITIONS)])
    producer = Producer(
        {"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": "ends"},
    )
    with closing(KafkaAdmin(kafka)) as admin:
        before = admin.ends(["deduped"])
        assert set(before["deduped"]) == set(range(PARTITIONS))
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce("deduped", b"v", partition=1)
        producer.flush(30)
        assert admin.ends(["deduped"]) == before
        producer.commit_transaction(30)
        # The broker writes the marker after it has answered.
        wait_until(lambda: admin.ends(["deduped"]) != before)
        after = admin.ends(["deduped"])["deduped"]
    assert after == before["deduped"] | {1: before["deduped"][1] + 2}


def test_the_end_of_a_topic_that_is_not_there_is_not_known(kafka: KafkaSettings) -> None:
    with (
        closing(KafkaAdmin(kafka)) as admin,
        pytest.raises(TransientError, match="run `txfeatures bootstrap`"),
    ):
        admin.ends(["nothing"])


def test_what_was_not_committed_is_read_again(kafka: KafkaSettings) -> None:
    with closing(KafkaSink(kafka, client_id="t")) as sink:
        sink.publish([record("aggregated", b"k", b"%d" % n) for n in range(3)])
    with closing(KafkaSource(kafka, ["aggregated"], group="g")) as source:
        records = read(source, 3)
        source.commit(next_offsets(records[:2]))
    with closing(KafkaSource(kafka, ["aggregated"], group="g")) as source:
        assert [r.value for r in read(source, 1)] == [b"2"]
    assert KafkaAdmin(kafka).committed("g", "aggregated") == {records[0].partition: 2}


def test_a_committed_offset_that_has_expired_is_reported_and_read_on_after(
    kafka: KafkaSettings,
) -> None:
    skipped: list[SkippedRecords] = []
    with (
        closing(KafkaSink(kafka, client_id="t")) as sink,
        closing(KafkaSource(kafka, ["aggregated.dlq"], group="expired")) as source,
    ):
        sink.publish([record("aggregated.dlq", b"k", b"%d" % n) for n in range(10)])
        source.commit(next_offsets(read(source, 10)[:2]))
    (committed,) = KafkaAdmin(kafka).committed("expired", "aggregated.dlq").items()
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    (deleted,) = admin.delete_records([TopicPartition("aggregated.dlq", committed[0], 7)]).values()
    assert deleted.result().low_watermark == 7
    member = KafkaSource(kafka, ["aggregated.dlq"], group="expired", on_skipped=skipped.append)
    with closing(member) as source:
        assert [r.value for r in read(source, 3)] == [b"7", b"8", b"9"]
    assert [(s.committed_offset, s.first_offset, s.records, s.reason) for s in skipped] == [
        (2, 7, 5, "expired")
    ]


def test_a_committed_offset_beyond_the_end_of_a_topic_is_reported(kafka: KafkaSettings) -> None:
    skipped: list[SkippedRecords] = []
    with closing(KafkaSink(kafka, client_id="t")) as sink:
        sink.publish([record("deduped.dlq", b"k", b"%d" % n) for n in range(3)])
    with closing(KafkaSource(kafka, ["deduped.dlq"], group="anew")) as source:
        (partition,) = next_offsets(read(source, 3))
        source.commit({partition: 50})
    member = KafkaSource(kafka, ["deduped.dlq"], group="anew", on_skipped=skipped.append)
    with closing(member) as source:
        assert [r.value for r in read(source, 3)] == [b"0", b"1", b"2"]
    assert [(s.committed_offset, s.first_offset, s.records, s.reason) for s in skipped] == [
        (50, 0, 47, "beyond_end")
    ]


def test_a_tail_begins_with_the_last_record_and_follows(kafka: KafkaSettings) -> None:
    with (
        closing(KafkaSink(kafka, client_id="t")) as sink,
        closing(KafkaTail(kafka, "feed")) as tail,
    ):
        sink.publish([record("feed", b"k", b"old"), record("feed", b"k", b"last")])
        assert [r.value for r in _poll(tail)] == [b"last"]
        sink.publish([record("feed", b"k", b"new")])
        assert [r.value for r in _poll(tail)] == [b"new"]


def _poll(tail: KafkaTail) -> list[Record]:
    while not (records := tail.poll(1.0)):
        pass
    return records


def test_topics_are_made_once_and_another_partition_count_is_refused(kafka: KafkaSettings) -> None:
    admin = KafkaAdmin(kafka)
    assert admin.create(TOPICS, partitions=PARTITIONS, replication=1, keep_forever=True) == []
    with pytest.raises(FatalError, match="topic raw has 4 partitions, not 5"):
        admin.create(TOPICS, partitions=5, replication=1, keep_forever=True)


def test_a_missing_topic_says_to_run_bootstrap(kafka: KafkaSettings) -> None:
    with pytest.raises(FatalError, match="Kafka has no topic nowhere; run `txfeatures bootstrap`"):
        topic_partitions(kafka, "nowhere")


def test_brokers_that_are_away_leave_the_records_with_the_caller(
    tmp_path: Path,
) -> None:
    away = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    records = [record("raw", b"a"), record("raw", b"b")]
    with closing(KafkaSink(away, client_id="t")) as sink, pytest.raises(UndeliveredError) as found:
        sink.publish(records)
    assert list(found.value.records) == records
    with pytest.raises(TransientError, match="check TXF_KAFKA_BOOTSTRAP_SERVERS"):
        KafkaAdmin(away).partitions()
