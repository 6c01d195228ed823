"""A release that can't read its topic stops; it doesn't empty it into the dead letters."""

from contextlib import closing
from pathlib import Path

import pytest
from kafka_local import EmbeddedKafka

from tests.support.worker import Worker
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import DEDUPED, RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.source import committed_ends
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("readable_every", [None, 30], ids=["none", "one of 30 is readable"])
def test_a_topic_that_can_not_be_read_stops_dedup_and_stays_as_it_is(
    tmp_path: Path, readable_every: int | None
) -> None:
    with EmbeddedKafka(tmp_path / "kafka") as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        with closing(KafkaAdmin(kafka)) as admin:
            admin.create(TOPICS, partitions=1, replication=1, keep_forever=True)
            with closing(KafkaSink(kafka, client_id="test")) as sink:
                sink.publish(
                    [
                        OutgoingRecord(
                            topic=RAW,
                            key=b"no hash"
                            if readable_every is None or number % readable_every
                            else f"{number:064x}".encode(),
                            value=b"{}",
                            timestamp_ms=number,
                        )
                        for number in range(5000)
                    ]
                )
            worker = Worker("dedup", "dedup-0", kafka, tmp_path)
            worker.start()
            assert worker.wait() == 1, worker.log()
            assert "more than 1000 of the last 10000 records of raw" in worker.log()
            buried = committed_ends(kafka, "raw.dlq")[0]
            assert buried <= 1000
            forwarded = committed_ends(kafka, DEDUPED)[0]
            assert admin.committed("dedup", RAW).get(0, 0) == buried + forwarded
