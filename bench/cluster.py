"""The broker of a stage: filled once, cleaned between runs, observed from outside."""

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager

from confluent_kafka import (
    Consumer,
    ConsumerGroupState,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import RAW, TOPICS, Topic
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink, connection
from txfeatures.process.clock import Clock
from txfeatures.process.settings import KafkaSettings

PARTITIONS = 4
GROUPS = ("dedup", "aggregator")
"""The consumer groups whose committed offsets are read."""

_CHUNK = 5000
_PATIENCE_S = 90.0  # the session of a killed member expires after 45 s
_POLL_S = 0.1


class Cluster:
    """The broker of the benchmark.

    Args:
        bootstrap_servers: ``host:port`` of the broker.
        clock: Paces the waits.
    """

    def __init__(self, bootstrap_servers: str, clock: Clock) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._clock = clock
        self._settings = KafkaSettings(bootstrap_servers=bootstrap_servers)
        self._topics = KafkaAdmin(self._settings)
        self._client = AdminClient(connection(self._settings))

    def fill(self, topic: str, records: Iterable[OutgoingRecord]) -> None:
        """Send ``records`` to ``topic``, created if missing, and wait for all acknowledgements."""
        if topic not in self._topics.partitions():
            self._create([_topic(topic)])
        with closing(KafkaSink(self._settings, client_id="bench")) as sink:
            remaining = iter(records)
            while chunk := list(itertools.islice(remaining, _CHUNK)):
                sink.publish(chunk)

    def clean(self, keep: Collection[str]) -> None:
        """Delete all groups and all topics but ``keep``; recreate the topics of the product."""
        found = {name for name in self._topics.partitions() if not name.startswith("__")}
        if gone := found.difference(keep):
            for future in self._client.delete_topics([*gone]).values():
                future.result()
        self._wait("topics are not deleted", lambda: gone.isdisjoint(self._topics.partitions()))
        self._wait("groups are not deleted", self._delete_groups)
        self._create(TOPICS)
        self._wait("topics and groups have no leader", self._is_ready)

    def end(self, topic: str) -> int:
        """Return the read-committed end offset of ``topic``, summed over its partitions."""
        count = self._topics.partitions()[topic]
        ends = self._client.list_offsets(
            {TopicPartition(topic, number): OffsetSpec.latest() for number in range(count)},
            isolation_level=IsolationLevel.READ_COMMITTED,
        )
        return sum(end.result().offset for end in ends.values())

    def committed(self, group: str, topic: str) -> int:
        """Return the committed offset of ``group`` in ``topic``, summed over its partitions."""
        return sum(self._topics.committed(group, topic).values())

    @contextmanager
    def reader(self, *topics: str, from_end: bool = False) -> Iterator[Consumer]:
        """Open a read-committed consumer of ``topics`` that is in no group.

        Args:
            topics: Names of the topics.
            from_end: Read from the present end instead of the beginning.
        """
        consumer = Consumer(
            {
                **connection(self._settings),
                "group.id": "bench",  # never joined; the client requires a name
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        try:
            counts = self._topics.partitions()
            parts = [
                TopicPartition(topic, number, 0)
                for topic in topics
                for number in range(counts[topic])
            ]
            if from_end:
                for part in parts:
                    _, part.offset = consumer.get_watermark_offsets(part)
            consumer.assign(parts)
            yield consumer
        finally:
            consumer.close()

    def _create(self, topics: Iterable[Topic]) -> None:
        self._topics.create([*topics], partitions=PARTITIONS, replication=1, keep_forever=True)

    def _is_ready(self) -> bool:
        try:
            for topic in TOPICS:
                self.end(topic.name)
            for group in GROUPS:
                self.committed(group, RAW)
        except (KeyError, KafkaException, TransientError):  # the broker has no metadata yet
            return False
        return True

    def _delete_groups(self) -> bool:
        """Delete the groups without members; return whether there was no group."""
        groups = self._client.list_consumer_groups().result().valid
        empty = [group.group_id for group in groups if group.state == ConsumerGroupState.EMPTY]
        if empty:
            for future in self._client.delete_consumer_groups(empty).values():
                future.result()
        return not groups

    def _wait(self, what: str, is_true: Callable[[], bool]) -> None:
        deadline = self._clock.monotonic() + _PATIENCE_S
        while not is_true():
            if self._clock.monotonic() > deadline:
                raise FatalError(f"{what} after {_PATIENCE_S:.0f} s; run the benchmark again")
            self._clock.wait(threading.Event(), _POLL_S)


def read(consumer: Consumer, timeout_s: float) -> tuple[list[Message], set[int]]:
    """Return the records available within ``timeout_s``, and the partitions read to their end.

    Raises:
        FatalError: The broker refused.
    """
    records, ended = [], set()
    for message in consumer.consume(_CHUNK, timeout_s):
        error = message.error()
        if error is None:
            records.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the documented name
            ended.add(message.partition() or 0)
        else:
            raise FatalError(f"the output can't be read: {error.str()}")
    return records, ended


def _topic(name: str) -> Topic:
    known = {topic.name: topic for topic in TOPICS}
    return known.get(name) or Topic(name=name, key="hash", scales=True, description="Input.")
