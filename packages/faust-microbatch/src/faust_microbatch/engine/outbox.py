"""The way from outboxes to the producer's queue."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from faust_microbatch.engine.records import Outbox, Sendable

BY_KEY = -1
ROOM_TIMEOUT_S = 0.05

_key, _value = attrgetter("key"), attrgetter("value")


@dataclass(slots=True)
class Sent:
    """Amounts sent to one topic."""

    records: int = 0
    size_bytes: int = 0


def produce(producer: Producer, outboxes: Iterable[Outbox]) -> Mapping[str, Sent]:
    """Queue everything in ``outboxes``, waiting for room; return how much per topic.

    Raises:
        KafkaException: A record can't be sent, for example because it is too large.
    """
    sent: dict[str, Sent] = {}
    for outbox in outboxes:
        for topic, partition, records in outbox.sends:
            _produce(producer, topic, records, BY_KEY if partition is None else partition)
            count = sent.setdefault(topic, Sent())
            count.records += len(records)
            count.size_bytes += _size(map(_key, records)) + _size(map(_value, records))
        for topic, partition, changes in outbox.changes:
            _produce_changes(producer, topic, partition, changes)
            count = sent.setdefault(topic, Sent())
            count.records += len(changes)
            count.size_bytes += _size(changes) + _size(changes.values())
    producer.poll(0)
    return sent


def _size(parts: Iterable[bytes | None]) -> int:
    return sum(map(len, filter(None, parts)))


def _produce(producer: Producer, topic: str, records: Sequence[Sendable], partition: int) -> None:
    # One by one: the client's batch call takes neither headers nor timestamps.
    enqueue = producer.produce
    for record in records:
        while True:
            try:
                enqueue(
                    topic,
                    record.value,
                    record.key,
                    partition,
                    None,
                    None,
                    record.timestamp_ms,
                    list(record.headers) if record.headers else None,
                )
            except BufferError:  # the local queue is full
                producer.poll(ROOM_TIMEOUT_S)
            else:
                break


def _produce_changes(
    producer: Producer, topic: str, partition: int, changes: Mapping[bytes, bytes | None]
) -> None:
    waiting: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in changes.items()]
    while producer.produce_batch(topic, waiting, partition) < len(waiting):
        # The client leaves its verdict in the records it did not take.
        refused = [(record.pop("_error"), record) for record in waiting if "_error" in record]
        for error, _ in refused:
            if error.code() != KafkaError._QUEUE_FULL:  # noqa: SLF001 - the client's public name
                raise KafkaException(error)
        waiting = [record for _, record in refused]
        producer.poll(ROOM_TIMEOUT_S)
