from confluent_kafka import Message

from faust_microbatch import Batch, Outgoing, Record
from faust_microbatch.engine.records import RECORD_OVERHEAD_BYTES
from microbatch_support.fakes import messages


def test_a_batch_gives_its_records_as_they_were_read() -> None:
    read = Message(
        topic="in",
        partition=2,
        offset=8,
        key=b"k",
        value=b"v",
        headers=[("a", b"1"), ("a", b"2")],
        timestamp=(1, 17),
    )
    batch = Batch("in", 2, [read, Message(topic="in", partition=2, offset=11)], start=8)
    assert batch.records == [
        Record("in", 2, 8, b"k", b"v", 17, [("a", b"1"), ("a", b"2")]),
        Record("in", 2, 11, None, None, 0, ()),
    ]
    assert batch.records is batch.records
    assert (len(batch), batch.start, batch.next_offset, batch.source) == (2, 8, 12, ("in", 2))
    assert repr(batch) == "<Batch in-2 up to 12>"


def test_a_batch_counts_the_bytes_of_keys_and_values_and_the_memory_they_take() -> None:
    batch = Batch(
        "in", 0, [Message(offset=0, key=b"12", value=b"345"), Message(offset=1)], start=None
    )
    assert batch.size_bytes == 5
    assert batch.memory_bytes == 5 + 2 * RECORD_OVERHEAD_BYTES


def test_forgetting_the_records_keeps_the_outbox() -> None:
    batch = Batch("in", 0, messages(3), start=0)
    batch.send("out", (Outgoing(record.key) for record in batch.records), partition=1)
    batch.forget_records()
    assert len(batch) == 0
    [(topic, partition, records)] = batch.outbox.sends
    assert (topic, partition, [r.key for r in records]) == ("out", 1, [b"k0", b"k1", b"k2"])
    assert batch.next_offset == 3
