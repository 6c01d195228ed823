import pytest
from confluent_kafka import KafkaError, KafkaException

from faust_microbatch import Batch, Outgoing
from faust_microbatch.engine.outbox import produce
from microbatch_support.fakes import FakeProducer, messages


def batch() -> Batch:
    return Batch("in", 3, messages(2, partition=3), start=None)


def test_records_keep_their_headers_timestamp_and_partition() -> None:
    producer, work = FakeProducer(), batch()
    headers = [("a", b"1")]
    work.send("out", [Outgoing(b"k", b"v", 17, headers)], partition=3)
    work.send("out", [Outgoing(b"k")])
    produce(producer, [work.outbox])  # type: ignore[arg-type]
    assert producer.sent == [
        {
            "topic": "out",
            "key": b"k",
            "value": b"v",
            "partition": 3,
            "timestamp_ms": 17,
            "headers": headers,
        },
        {
            "topic": "out",
            "key": b"k",
            "value": None,
            "partition": -1,
            "timestamp_ms": 0,
            "headers": None,
        },
    ]


def test_a_record_that_was_read_is_passed_on_as_it_is() -> None:
    producer, work = FakeProducer(), batch()
    work.send("out", work.records, partition=work.partition)
    produce(producer, [work.outbox])  # type: ignore[arg-type]
    assert [(r["key"], r["value"], r["timestamp_ms"]) for r in producer.sent] == [
        (b"k0", b"v0", 1000),
        (b"k1", b"v1", 1001),
    ]


def test_a_full_queue_is_waited_for_and_nothing_is_lost_or_doubled() -> None:
    producer, work = FakeProducer(room=3), batch()
    work.send("out", [Outgoing(b"%d" % n) for n in range(10)])
    work.outbox.changes.append(("changes", 3, {b"%d" % n: b"v" for n in range(10)}))
    sent = produce(producer, [work.outbox])  # type: ignore[arg-type]
    outputs = [r["key"] for r in producer.sent if r["topic"] == "out"]
    assert outputs == [b"%d" % n for n in range(10)]
    assert {r["key"] for r in producer.sent if r["topic"] == "changes"} == {
        b"%d" % n for n in range(10)
    }
    assert len(producer.sent) == 20
    assert (sent["out"].records, sent["changes"].records) == (10, 10)


def test_a_change_that_can_never_be_written_is_an_error() -> None:
    class Refusing(FakeProducer):
        def produce_batch(
            self, topic: str, records: list[dict[str, object]], partition: int
        ) -> int:
            records[0]["_error"] = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
            return 0

    work = batch()
    work.outbox.changes.append(("changes", 3, {b"k": b"v"}))
    with pytest.raises(KafkaException):
        produce(Refusing(), [work.outbox])  # type: ignore[arg-type]


def test_it_counts_what_went_where() -> None:
    work = batch()
    work.send("out", [Outgoing(b"k", b"1234"), Outgoing(None, b"1")])
    work.outbox.changes.append(("changes", 3, {b"key": b"value", b"gone": None}))
    sent = produce(FakeProducer(), [work.outbox])  # type: ignore[arg-type]
    assert (sent["out"].records, sent["out"].size_bytes) == (2, 6)
    assert (sent["changes"].records, sent["changes"].size_bytes) == (2, 12)
