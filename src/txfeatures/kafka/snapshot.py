"""Kafka for the commands: the records that a topic holds, read outside of any group."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.consumer import open_consumer
from txfeatures.kafka.reader import to_records
from txfeatures.kafka.rights import DESCRIBE, JOIN, READ, missing_right
from txfeatures.process.clock import Clock
from txfeatures.process.settings import KafkaSettings

GROUP = "txfeatures-dlq"
"""The client demands one; it is never joined, and nothing is committed for it."""

PATIENCE_S = 90.0
"""Longer than a transaction that nobody ends stays open."""


class Snapshot:
    """The committed records of a topic up to its end as of now, which can be read repeatedly.

    The end is that of all records, and a read waits for transactions still open before it: a
    committed record may stand behind them.

    Args:
        settings: The brokers.
        topic: Name of the topic.
        partition: Only this partition.
        first: First offset.

    Raises:
        TransientError: The brokers don't answer, or refuse us.
        FatalError: There is no such topic or partition, or it may not be read.
    """

    def __init__(
        self, settings: KafkaSettings, topic: str, *, partition: int | None = None, first: int = 0
    ) -> None:
        self._topic = topic
        self._connection = connection(settings)
        numbers, offsets = _look_up(
            self._connection, topic, OffsetSpec.earliest(), OffsetSpec.latest()
        )
        if partition is not None and partition not in numbers:
            raise FatalError(f"topic {topic} has {len(numbers)} partitions, none is {partition}")
        self._spans = {
            number: (max(low.offset, first), high.offset)
            for number, low, high in zip(numbers, *offsets, strict=True)
            if partition in (None, number)
        }

    @property
    def size(self) -> int:
        """Offsets that it spans."""
        return sum(max(0, high - low) for low, high in self._spans.values())

    def read(self, *, clock: Clock, progress: Callable[[int], None]) -> Iterator[Record]:
        """Yield the records; those of a partition in order.

        Args:
            clock: Bounds the waiting.
            progress: Called with the number of offsets passed.

        Raises:
            TransientError: The brokers don't answer, or a transaction stays open.
        """
        left = {n: (low, high) for n, (low, high) in self._spans.items() if low < high}
        if not left:
            return
        consumer = open_consumer(self._connection, group=GROUP, more={"enable.partition.eof": True})
        with closing(consumer):
            consumer.assign([TopicPartition(self._topic, n, low) for n, (low, _) in left.items()])
            moved_s = clock.monotonic()
            while left := {n: span for n, span in left.items() if span[0] < span[1]}:
                if (message := consumer.poll(1.0)) is not None:
                    moved_s = clock.monotonic()
                elif clock.monotonic() - moved_s > PATIENCE_S:
                    raise TransientError(
                        f"topic {self._topic} was not read to its end: a broker is away or a "
                        "transaction is open; run it again"
                    )
                else:
                    continue
                number, offset = message.partition() or 0, message.offset() or 0
                low, high = left.get(number, (0, 0))
                if (error := message.error()) is None:
                    if offset < high:
                        yield from to_records([message])
                    offset += 1
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    denied = missing_right(error, (READ, self._topic), (JOIN, GROUP))
                    raise TransientError(denied or f"Kafka refused a read: {error.str()}")
                if number in left:
                    progress(min(offset, high) - low)
                    left[number] = (min(offset, high), high)


def newest_timestamp_ms(settings: KafkaSettings, topic: str) -> int | None:
    """Return the greatest timestamp in the topic's first partition; None if it is empty.

    Raises:
        TransientError: The brokers don't answer, or refuse us.
        FatalError: There is no such topic, or it may not be read.
    """
    _, [(newest, *_)] = _look_up(connection(settings), topic, OffsetSpec.max_timestamp())
    return newest.timestamp if newest.timestamp >= 0 else None


def _look_up(
    properties: Mapping[str, Any], topic: str, *wanted: OffsetSpec
) -> tuple[list[int], list[list[ListOffsetsResultInfo]]]:
    """Return the partitions of a topic, and for each of ``wanted`` the offset in each of them."""
    client = open_client(AdminClient, dict(properties))
    try:
        numbers = _numbers(client, topic)
        partitions = [TopicPartition(topic, number) for number in numbers]
        found = [
            client.list_offsets(
                dict.fromkeys(partitions, spec),
                isolation_level=IsolationLevel.READ_UNCOMMITTED,
                request_timeout=METADATA_TIMEOUT_S,
            )
            for spec in wanted
        ]
        return numbers, [[one[partition].result() for partition in partitions] for one in found]
    except KafkaException as error:
        raise TransientError(properties["error_cb"].message(error, client.poll)) from error


def _numbers(client: AdminClient, topic: str) -> list[int]:
    found: Any = client.list_topics(topic, timeout=METADATA_TIMEOUT_S).topics[topic]
    if found.error is None:
        return sorted(found.partitions)
    if denied := missing_right(found.error, (DESCRIBE, topic)):
        raise FatalError(denied)
    if found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise FatalError(f"Kafka has no topic {topic}; run `txfeatures bootstrap` first")
    raise KafkaException(found.error)
