"""dedup, as a process, when its topics are changed while it runs or is away."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from kafka_local import EmbeddedKafka

from tests.support.core import PARTITIONS
from tests.support.load import START_S
from tests.support.waiting import wait_until
from tests.support.worker import Worker
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import DEDUPED, RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.source import KafkaSource
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaSettings]:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        KafkaAdmin(settings).create(TOPICS, partitions=PARTITIONS, replication=1, keep_forever=True)
        yield settings


@pytest.fixture
def dedup(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    made: list[Worker] = []

    def start() -> Worker:
        made.append(Worker("dedup", f"dedup-{len(made)}", kafka, tmp_path))
        made[-1].start()
        return made[-1]

    yield start
    for worker in made:
        worker.dispose()


def send(kafka: KafkaSettings, numbers: range, *, partition: int) -> None:
    """Send a transaction for each number."""
    with closing(KafkaSink(kafka, client_id="test")) as sink:
        sink.publish(
            [
                OutgoingRecord(
                    topic=RAW,
                    key=key(number),
                    value=b"{}",
                    timestamp_ms=START_S * 1000 + number,
                    partition=partition,
                )
                for number in numbers
            ]
        )


def key(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).hexdigest().encode()


def forwarded(kafka: KafkaSettings, count: int) -> list[bytes]:
    """Return the keys on deduped when there are ``count``."""
    found: list[bytes] = []
    with closing(KafkaSource(kafka, [DEDUPED], group=f"test-{count}")) as source:

        def is_read() -> bool:
            read = source.poll(max_records=1000, timeout_s=0.5)
            found.extend(record.key or b"" for record in read)
            return len(found) >= count

        wait_until(is_read)
    return sorted(found)


def admin(kafka: KafkaSettings) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap_servers})


def grow(kafka: KafkaSettings, *topics: str, partitions: int) -> None:
    wanted = [NewPartitions(topic, partitions) for topic in topics]
    client = admin(kafka)
    for grown in client.create_partitions(wanted).values():
        grown.result()


def test_partitions_added_to_raw_end_dedup_with_a_sentence_that_leads_out(
    kafka: KafkaSettings, dedup: Callable[[], Worker]
) -> None:
    send(kafka, range(10), partition=0)
    worker = dedup()
    assert forwarded(kafka, 10) == sorted(key(n) for n in range(10))
    grow(kafka, RAW, partitions=6)
    wait_until(lambda: not worker.is_up)
    assert worker.exit_code() == 1
    assert "topic raw has more than the 4 partitions" in worker.log()
    assert "Traceback" not in worker.log()

    again = dedup()
    wait_until(lambda: not again.is_up)
    assert again.exit_code() == 1
    others = sorted(topic.name for topic in TOPICS if topic.scales and topic.name != RAW)
    [sentence] = [line for line in again.log().splitlines() if line.startswith("dedup: ")]
    assert f"give {', '.join(others)} 6 partitions too" in sentence

    grow(kafka, *others, partitions=6)
    send(kafka, range(10), partition=0)  # known to the table as before
    send(kafka, range(10, 20), partition=5)
    dedup()
    assert forwarded(kafka, 20) == sorted(key(n) for n in range(20))


def test_records_that_retention_took_from_dedup_are_reported_and_the_rest_is_forwarded(
    kafka: KafkaSettings, dedup: Callable[[], Worker]
) -> None:
    send(kafka, range(10), partition=0)
    worker = dedup()
    forwarded(kafka, 10)
    wait_until(lambda: KafkaAdmin(kafka).committed("dedup", RAW).get(0) == 10)
    assert worker.stop() == 0
    send(kafka, range(10, 30), partition=0)
    part = TopicPartition(RAW, 0, 17)
    client = admin(kafka)
    client.delete_records([part])[part].result()
    worker = dedup()
    assert forwarded(kafka, 23) == sorted(key(n) for n in (*range(10), *range(17, 30)))
    [line] = [line for line in worker.log().splitlines() if "records_skipped" in line]
    for part_of_it in ("first_offset=17", "records=7", "reason=expired", "committed_offset=10"):
        assert part_of_it in line
    assert worker.stop() == 0
