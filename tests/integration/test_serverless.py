"""Bootstrap and records on a cluster whose admin client refuses what MSK Serverless refuses."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka_local import EmbeddedKafka

from tests.support.serverless_kafka import MAX_MESSAGE_BYTES, ServerlessAdmin
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import (
    MAX_RECORD_BYTES,
    RAW,
    RECORD_OVERHEAD_BYTES,
    TOPICS,
    BrokerKind,
)
from txfeatures.kafka import admin as admin_module
from txfeatures.kafka import effective as effective_module
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.effective import read_effective
from txfeatures.kafka.safety import Demands, findings
from txfeatures.kafka.source import KafkaSource
from txfeatures.process.settings import KafkaSettings

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    with EmbeddedKafka(tmp_path_factory.mktemp("kafka"), brokers=3) as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


@pytest.fixture(autouse=True)
def _serverless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_module, "AdminClient", ServerlessAdmin)
    monkeypatch.setattr(effective_module, "AdminClient", ServerlessAdmin)


def create(kafka: KafkaSettings, kind: BrokerKind, *, replication: int = 3) -> list[str]:
    with closing(KafkaAdmin(kafka)) as admin:
        return admin.create(
            TOPICS, partitions=2, replication=replication, keep_forever=False, kind=kind
        )


@pytest.mark.parametrize("kind", ["standard", "express"])
def test_topics_for_other_brokers_are_refused_and_the_setting_is_named(
    kafka: KafkaSettings, kind: BrokerKind
) -> None:
    with pytest.raises(FatalError, match=r"is not configurable; .*TXF_BOOTSTRAP_BROKER_KIND"):
        create(kafka, kind)


def test_a_larger_record_than_8_mib_is_refused(kafka: KafkaSettings) -> None:
    larger = kafka.model_copy(update={"max_record_bytes": MAX_MESSAGE_BYTES + 1})
    with pytest.raises(FatalError, match=f"at most {MAX_MESSAGE_BYTES}"):
        create(larger, "serverless")


def test_topics_for_serverless_are_made_are_safe_and_take_the_largest_record(
    kafka: KafkaSettings,
) -> None:
    assert create(kafka, "serverless") == [topic.name for topic in TOPICS]
    found = read_effective(kafka, TOPICS, with_brokers=False)
    assert (len(found.topics), found.denied) == (len(TOPICS), ())
    demands = Demands(max_record_bytes=MAX_RECORD_BYTES)
    assert findings(found.topics, found.brokers, broker_count=3, demands=demands) == []
    value = bytes(range(256)) * ((MAX_RECORD_BYTES - RECORD_OVERHEAD_BYTES) // 256)
    record = OutgoingRecord(topic=RAW, key=b"k", value=value, timestamp_ms=1)
    with closing(KafkaSink(kafka, client_id="t")) as sink:
        sink.publish([record])
    with closing(KafkaSource(kafka, [RAW], group="t")) as source:
        records: list[Record] = []
        while not records:
            records = source.poll(max_records=10, timeout_s=1.0)
    assert [found.value for found in records] == [value]


def test_brokers_may_not_be_described(kafka: KafkaSettings) -> None:
    found = read_effective(kafka, TOPICS, with_brokers=True)
    assert found.brokers == {}
    (sentence,) = found.denied
    assert "DescribeConfigs on the cluster" in sentence
