"""Kafka for the services: reads with explicit commits, and the end of a topic.

Reads are read committed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, partition_count
from txfeatures.kafka.consumer import Partition as Partition
from txfeatures.kafka.consumer import committed_offsets, open_consumer
from txfeatures.kafka.reader import Reader
from txfeatures.kafka.rights import JOIN, missing_right
from txfeatures.kafka.security import Refusals
from txfeatures.kafka.skips import SkippedRecords, skipped_records
from txfeatures.process.logs import get_logger
from txfeatures.process.settings import KafkaSettings

log = get_logger(__name__)

ENDS_WINDOW = 20


class KafkaSource:
    """A member of a consumer group whose offsets are committed by its caller only.

    Args:
        on_revoked: Called from ``poll`` with the partitions that now belong to another
            member; records lent from them must be dropped, as their next owner reads them again.
        on_assigned: Called from ``poll`` with the partitions that are this member's from now on.
        on_skipped: Called from ``poll`` with records that were gone before they were read, just
            before the first one that is left is read; they are logged in any case.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        *,
        group: str,
        on_revoked: Callable[[set[Partition]], None] | None = None,
        on_assigned: Callable[[set[Partition]], None] | None = None,
        on_skipped: Callable[[SkippedRecords], None] | None = None,
    ) -> None:
        self._on_skipped = on_skipped
        self._group = group
        self._next: dict[Partition, int | None] = {}  # of what is ours; None: from the beginning
        self._consumer = open_consumer(
            connection(settings),
            group=group,
            more={
                "client.id": group,
                "enable.auto.offset.store": False,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 10_000,
            },
        )

        def assigned(consumer: Consumer, partitions: list[TopicPartition]) -> None:
            # The client by itself requests the offsets once, and never reads a partition
            # for which the answer was "not coordinator" (librdkafka issue 5586).
            owned = {(p.topic, p.partition) for p in partitions}
            try:
                committed = committed_offsets(consumer, partitions)
            except TransientError as error:
                # It would assign the partitions by itself now, from offsets of its own.
                raise FatalError(f"{error}; start again") from error
            self._next |= {partition: committed.get(partition) for partition in owned}
            consumer.incremental_assign(self._starts(owned))
            if on_assigned:
                on_assigned(owned)

        def revoked(_: Consumer, partitions: list[TopicPartition]) -> None:
            given_up = {(p.topic, p.partition) for p in partitions}
            for partition in given_up:
                self._next.pop(partition, None)
            if on_revoked:
                on_revoked(given_up)

        self._reader = Reader(self._consumer, group=group)
        self._consumer.subscribe(
            list(topics), on_assign=assigned, on_revoke=revoked, on_lost=revoked
        )

    def poll(self, *, max_records: int, timeout_s: float) -> list[Record]:
        """Return up to ``max_records`` records, waiting up to ``timeout_s`` for the first.

        Raises:
            TransientError: The brokers refused for now; nothing that was read is lost.
            FatalError: The consumer is beyond repair.
        """
        self._reader.gone &= self._next.keys()
        for partition in sorted(self._reader.gone):
            self._skip(partition)
        records = self._reader.read(max_records, timeout_s)
        ends = next_offsets(records)
        self._next |= {partition: ends[partition] for partition in ends.keys() & self._next.keys()}
        return records

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Commit the next offset of each partition, and wait for the broker.

        Raises:
            TransientError: The commit failed; the same records will be read again.
        """
        if not next_offsets:
            return
        offsets = [TopicPartition(*key, offset) for key, offset in next_offsets.items()]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            raise self._uncommitted(error.args[0]) from error
        # The client raises only if every partition failed.
        if errors := [answer.error for answer in answers or () if answer.error]:
            raise self._uncommitted(errors[0])

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _uncommitted(self, error: KafkaError) -> TransientError:
        reason = missing_right(error, (JOIN, self._group)) or error
        return TransientError(f"offsets were not committed: {reason}")

    def _starts(self, partitions: Iterable[Partition]) -> list[TopicPartition]:
        starts = {partition: self._next[partition] for partition in partitions}
        return [
            TopicPartition(*partition, OFFSET_BEGINNING if start is None else start)
            for partition, start in starts.items()
        ]

    def _skip(self, partition: Partition) -> None:
        """Read a partition whose next offset is gone from the first offset there is."""
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(*partition), timeout=METADATA_TIMEOUT_S
            )
        except KafkaException as error:
            raise TransientError(
                f"the first offset of {partition} is not known: {error}"
            ) from error
        start = self._next[partition]
        if start is not None:  # else the group has never read there, and can't have lost a record
            skipped = skipped_records(*partition, start, low=low, high=high)
            log.error("records_skipped", **asdict(skipped))
            if self._on_skipped:
                self._on_skipped(skipped)
            self._next[partition] = low
        self._consumer.incremental_unassign([TopicPartition(*partition)])
        self._consumer.incremental_assign(self._starts([partition]))
        self._reader.gone.discard(partition)


def committed_ends(settings: KafkaSettings, topic: str) -> dict[int, int]:
    """Return the offset after the last committed record of each partition.

    The end that a broker reports counts the markers of Kafka transactions, which a reader
    never commits; so this reads the last records.

    Raises:
        TransientError: The brokers don't answer.
        FatalError: There is no such topic.
    """
    properties = connection(settings)
    refusals: Refusals = properties["error_cb"]
    reader = open_consumer(properties, group=f"ends-{topic}", more={"enable.partition.eof": True})
    with closing(reader) as consumer:
        try:
            count = partition_count(consumer, topic, refusals)
            return {number: _committed_end(consumer, topic, number) for number in range(count)}
        except KafkaException as error:
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
