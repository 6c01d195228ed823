"""Kafka for the services: reads with explicit commits, and the end of a topic.

Reads are read committed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.domain.topics import MAX_RECORD_BYTES
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.security import Refusals
from txfeatures.process.settings import KafkaSettings

Partition = tuple[str, int]
"""Topic and partition number."""

TAIL_RECORDS = 1000
ENDS_WINDOW = 20
TAIL_METADATA_TIMEOUT_S = 1.0
"""Short, so that a stop is noticed in between."""

_FETCH = {
    "max.partition.fetch.bytes": MAX_RECORD_BYTES,
    "fetch.max.bytes": 2 * MAX_RECORD_BYTES,
    "receive.message.max.bytes": 2 * MAX_RECORD_BYTES + 1024,
    "queued.max.messages.kbytes": 65_536,
}


class KafkaSource:
    """A member of a consumer group whose offsets are committed by its caller only.

    Args:
        on_revoked: Called from ``poll`` with the partitions that now belong to another
            member; records lent from them must be dropped, as their next owner reads them again.
        on_assigned: Called from ``poll`` with the partitions that are this member's from now on.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        *,
        group: str,
        on_revoked: Callable[[set[Partition]], None] | None = None,
        on_assigned: Callable[[set[Partition]], None] | None = None,
    ) -> None:
        self._consumer = open_client(
            Consumer,
            {
                **connection(settings),
                "group.id": group,
                "client.id": group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
                **_FETCH,
            },
        )

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            # The client by itself requests the offsets once, and never reads a partition
            # for which the answer was "not coordinator" (librdkafka issue 5586).
            consumer.incremental_assign(_read_on(consumer, partitions))
            if on_assigned:
                on_assigned({(p.topic, p.partition) for p in partitions})

        def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
            if on_revoked:
                on_revoked({(p.topic, p.partition) for p in partitions})

        self._consumer.subscribe(
            list(topics), on_assign=assigned, on_revoke=revoked, on_lost=revoked
        )
        self._reader = _Reader(self._consumer)

    def poll(self, *, max_records: int, timeout_s: float) -> list[Record]:
        """Return up to ``max_records`` records, waiting up to ``timeout_s`` for the first.

        Raises:
            TransientError: The brokers refused for now; nothing that was read is lost.
            FatalError: The consumer is beyond repair.
        """
        return self._reader.read(max_records, timeout_s)

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset of each partition, and wait for the broker.

        Raises:
            TransientError: The commit failed; the same records will be read again.
        """
        if not next_offsets:
            return
        offsets = [TopicPartition(*key, offset) for key, offset in next_offsets.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise TransientError(f"offsets were not committed: {error}") from error

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _read_on(consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
    try:
        answers = consumer.committed(partitions, timeout=METADATA_TIMEOUT_S)
    except KafkaException as error:
        raise FatalError(f"committed offsets are not known: {error}; start again") from error
    if errors := [answer.error for answer in answers if answer.error]:
        raise FatalError(f"committed offsets are not known: {errors[0]}; start again")
    return [
        TopicPartition(
            answer.topic,
            answer.partition,
            answer.offset if answer.offset >= 0 else OFFSET_BEGINNING,
        )
        for answer in answers
    ]


class KafkaTail:
    """Follows the end of a topic's only partition, outside of any group."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self._topic = topic
        self._assigned = False
        properties = {
            **connection(settings),
            "group.id": f"tail-{topic}",
            "enable.auto.commit": False,
            **_FETCH,
        }
        self._refusals: Refusals = properties["error_cb"]
        self._consumer = open_client(Consumer, properties)
        self._reader = _Reader(self._consumer)

    def poll(self, timeout_s: float) -> list[Record]:
        """Return the records since the last call; the first time, the topic's last record.

        Raises:
            TransientError: The brokers don't answer.
        """
        if not self._assigned:
            self._consumer.assign([TopicPartition(self._topic, 0, self._last_offset())])
            self._assigned = True
        return self._reader.read(TAIL_RECORDS, timeout_s)

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _last_offset(self) -> int:
        try:
            # Fetched again: a partition that once had no leader stays unknown to the client
            # long after it has one again.
            self._consumer.list_topics(self._topic, timeout=TAIL_METADATA_TIMEOUT_S)
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(self._topic, 0), timeout=TAIL_METADATA_TIMEOUT_S
            )
        except KafkaException as error:
            reason = self._refusals.message(error, self._consumer.poll)
            raise TransientError(f"the end of {self._topic} is not known: {reason}") from error
        return max(low, high - 1)


def committed_ends(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Return the offset after the last committed record of each partition.

    The end that a broker reports counts the markers of Kafka transactions, which a reader
    never commits; so this reads the last records.

    Raises:
        TransientError: The brokers don't answer.
    """
    config = {
        **connection(settings),
        "group.id": f"ends-{topic}",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        **_FETCH,
    }
    with closing(open_client(Consumer, config)) as consumer:
        try:
            found = consumer.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
            return {number: _committed_end(consumer, topic, number) for number in found.partitions}
        except KafkaException as error:
            refusals: Refusals = config["error_cb"]
            reason = refusals.message(error, consumer.poll)
            raise TransientError(f"the end of {topic} is not known: {reason}") from error


def _committed_end(consumer: Consumer, topic: str, number: int) -> int:
    partition = TopicPartition(topic, number)
    low, high = consumer.get_watermark_offsets(partition, timeout=METADATA_TIMEOUT_S)
    window = ENDS_WINDOW
    while True:
        start = end = max(low, high - window)
        consumer.assign([TopicPartition(topic, number, start)])
        while end < high and (messages := consumer.consume(1, METADATA_TIMEOUT_S)):
            if (error := messages[0].error()) is None:
                end = (messages[0].offset() or 0) + 1
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                break
            else:
                raise KafkaException(error)
        if end > start or start == low:
            return end
        window *= 10  # markers alone: look further back


def next_offsets(records: Iterable[Record]) -> dict[Partition, int]:
    """Return, for each partition in ``records``, the offset after its last one."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}


class _Reader:
    """Reads batches; an error among them is raised only when the records before it are out.

    The client has moved past those records: raising at once would lose them.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._error: KafkaError | None = None

    def read(self, max_records: int, timeout_s: float) -> list[Record]:
        records: list[Record] = []
        if self._error is None:
            messages = self._consumer.consume(max_records, timeout_s)
            records = _records([message for message in messages if message.error() is None])
            self._error = next((m.error() for m in messages if m.error() is not None), None)
        if self._error is not None and not records:
            error, self._error = self._error, None
            # A read reports a fatal error by its code, not by ``fatal()``.
            if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
                raise FatalError(f"Kafka's consumer is beyond repair: {error.str()}; start again")
            raise TransientError(f"Kafka refused a read: {error.str()}")
        return records


def _records(messages: Sequence[Message]) -> list[Record]:
    records = []
    for message in messages:
        kind, timestamp_ms = message.timestamp()
        headers: Sequence[tuple[str, Any]] = message.headers() or ()  # type: ignore[assignment]
        records.append(
            Record(
                topic=message.topic() or "",
                partition=message.partition() or 0,
                offset=message.offset() or 0,
                key=_bytes(message.key()),
                value=_bytes(message.value()),
                timestamp_ms=0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
                headers=tuple((str(name), _bytes(value) or b"") for name, value in headers),
            )
        )
    return records


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
