from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.kafka import client
from txfeatures.kafka.transactions import TransactionalSink
from txfeatures.process.settings import KafkaSettings

RECORD = OutgoingRecord(topic="raw", key=b"k", value=b"v", timestamp_ms=1)


class Producer:
    """Keeps the calls in order; those in ``failures`` raise. A failed ``delivery`` is reported."""

    def __init__(self, **failures: int) -> None:
        self.calls: list[str] = []
        self.failures = failures

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*_: object, **__: object) -> None:
            self.calls.append(name)
            if name in self.failures:
                raise KafkaException(KafkaError(self.failures[name]))

        return call

    def produce(self, *_: object, on_delivery: Callable[..., None], **__: object) -> None:
        self.calls.append("produce")
        code = self.failures.get("delivery")
        on_delivery(None if code is None else KafkaError(code), None)


def sink_on(producer: Producer, monkeypatch: pytest.MonkeyPatch) -> TransactionalSink:
    def open_client(_: object, properties: dict[str, Any]) -> Producer:
        assert properties["transactional.id"] == "id"
        return producer

    monkeypatch.setattr(client, "open_client", open_client)
    return TransactionalSink(KafkaSettings(), transactional_id="id")


def test_former_transactions_are_ended_first_and_records_are_sent_within_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer = Producer()
    sink_on(producer, monkeypatch).publish([RECORD, RECORD])
    assert [call for call in producer.calls if call != "poll"] == [
        "init_transactions",
        "begin_transaction",
        "produce",
        "produce",
        "flush",
        "commit_transaction",
    ]


@pytest.mark.parametrize("failing", ["delivery", "begin_transaction"])
def test_a_transaction_that_fails_is_ended_and_never_committed(
    monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    producer = Producer(**{failing: KafkaError._FENCED, "abort_transaction": KafkaError._STATE})
    sink = sink_on(producer, monkeypatch)
    with pytest.raises(FatalError, match=r"2 records was not committed .* run the command again"):
        sink.publish([RECORD, RECORD])
    assert producer.calls[-1] == "abort_transaction"
    assert "commit_transaction" not in producer.calls


def test_an_id_that_may_not_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(init_transactions=KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    with pytest.raises(FatalError, match="Kafka denies Write on transactional id id: grant it"):
        sink_on(producer, monkeypatch)


def test_an_error_that_is_fatal_to_the_client_is_named_without_polling_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    producer = Producer(init_transactions=refused, poll=refused)
    with pytest.raises(FatalError, match="Kafka denies Write on transactional id id: grant it"):
        sink_on(producer, monkeypatch)


def test_brokers_that_are_away_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Producer(init_transactions=KafkaError._TIMED_OUT)
    with pytest.raises(FatalError, match=r"does not answer .* TXF_KAFKA_BOOTSTRAP_SERVERS"):
        sink_on(producer, monkeypatch)
