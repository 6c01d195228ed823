"""Kafka's clients over a `Broker`, one set for each life of a process."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from confluent_kafka import OFFSET_INVALID, KafkaError, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from tests.simulation.broker import (
    Broker,
    Entry,
    Fault,
    Partition,
    abortable,
    retriable,
)

MEMBERS = itertools.count()

TIMESTAMP_CREATE_TIME = 1


def message(partition: Partition, offset: int, entry: Entry) -> Message:
    """Return a record as a client reads it."""
    return Message(
        topic=partition[0],
        partition=partition[1],
        offset=offset,
        key=entry.key,
        value=entry.value,
        headers=list(entry.headers),
        timestamp=(TIMESTAMP_CREATE_TIME, entry.timestamp_ms),
    )


class Clients:
    """Takes the place of `faust_microbatch.engine.clients.Clients`."""

    def __init__(self, broker: Broker, group: str, fault: Fault) -> None:
        self._broker = broker
        self._group = group
        self._fault = fault
        self.consumer = GroupConsumer(broker, group, fault)
        self.partitions = broker.partitions

    def member(self) -> Any:
        """Return the consumer that is a member of the group."""
        return self.consumer

    def reader(self) -> Any:
        """Return a consumer of changelogs."""
        return Reader(self._broker, self._fault)

    def producer(self, transactional_id: str) -> Any:
        """Return the transactional producer."""
        return TransactionalProducer(self._broker, transactional_id, self._group, self._fault)

    def admin(self) -> Any:
        """Return the admin client."""
        return Admin(self._broker, self._fault)


class GroupConsumer:
    """A member of a consumer group; rebalances come from within ``consume``."""

    def __init__(self, broker: Broker, group: str, fault: Fault) -> None:
        self._broker = broker
        self._group = group
        self._fault = fault
        self.name = f"{group}-{next(MEMBERS):06}"
        self._positions: dict[Partition, int] = {}
        self._owned: list[Partition] | None = None
        self._generation = 0

    def subscribe(self, topics: Sequence[str], **callbacks: Callable[..., None]) -> None:
        """Join the group."""
        self._callbacks = callbacks
        self._broker.join(self._group, self.name, topics)

    def consume(self, count: int, _: float) -> list[Message]:
        """Take part in a rebalance, or else read."""
        self._fault("consume")
        group = self._broker.groups[self._group]
        me = group.members.get(self.name)
        if me is None:
            self._callbacks["on_lost"](self, self._parts(self._owned or []))
            return []
        if not group.is_stable:
            if not me.is_joined:
                if self._owned is not None:
                    owned, self._owned = self._owned, None
                    self._callbacks["on_revoke"](self, self._parts(owned))
                self._positions = {}
                self._fault("rejoin")
                if self.name in group.members:
                    me.assigned = None
                    self._broker.rejoin(self._group, self.name)
            return []
        if self._generation != group.generation:
            self._generation, self._owned = group.generation, me.assigned
            self._callbacks["on_assign"](self, self._parts(me.assigned or []))
            return []
        return self._read(count)

    def _read(self, count: int) -> list[Message]:
        found: list[Message] = []
        for partition, position in self._positions.items():
            log = self._broker.logs[partition]
            stable = log.stable
            while position < stable and len(found) < count:
                if log[position].is_visible:
                    found.append(message(partition, position, log[position]))
                position += 1
            self._positions[partition] = position
        return found

    def committed(self, parts: Sequence[TopicPartition], _: float) -> list[Any]:
        """Return the group's offsets, unless a transaction holds one that is not decided."""
        self._fault("committed")
        group = self._broker.groups[self._group]
        pending = {p for each in group.pending for p in each.offsets[self._group]}
        answers = []
        for part in parts:
            source = (part.topic, part.partition)
            unstable = KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT) if source in pending else None
            offset = group.offsets.get(source, OFFSET_INVALID)
            answers.append(
                SimpleNamespace(
                    topic=part.topic,
                    partition=part.partition,
                    offset=OFFSET_INVALID if unstable else offset,
                    error=unstable,
                )
            )
        return answers

    def assign(self, parts: Sequence[TopicPartition]) -> None:
        """Read on in these partitions, from these offsets where they are new."""
        self._positions = {
            (p.topic, p.partition): self._positions.get((p.topic, p.partition), max(0, p.offset))
            for p in parts
        }

    def consumer_group_metadata(self) -> object:
        """Return what identifies the member and its generation."""
        return self.name, self._generation

    def get_watermark_offsets(self, part: TopicPartition, *, cached: bool) -> tuple[int, int]:
        """Return the ends of a log."""
        return 0, len(self._broker.logs[part.topic, part.partition])

    def close(self) -> None:
        """Give back what is owned, and leave."""
        if self._owned is not None:
            owned, self._owned = self._owned, None
            self._callbacks["on_revoke"](self, self._parts(owned))
        self._fault("leave")
        self._broker.leave(self._group, self.name)

    @staticmethod
    def _parts(partitions: Sequence[Partition]) -> list[TopicPartition]:
        return [TopicPartition(*partition) for partition in partitions]


class Reader:
    """A read-committed consumer of changelogs, which reports the end of each partition."""

    def __init__(self, broker: Broker, fault: Fault) -> None:
        self._broker = broker
        self._fault = fault
        self._positions: dict[Partition, int] = {}
        self._reported: dict[Partition, int] = {}

    def list_topics(self, *_: object) -> None:
        """Do nothing: there is no connection to make."""

    def assign(self, parts: Sequence[TopicPartition]) -> None:
        """Read these partitions from their beginning."""
        self._positions = {(p.topic, p.partition): 0 for p in parts}

    def consume(self, count: int, _: float) -> list[Message]:
        """Read; at the last stable offset of a partition report its end, once."""
        self._fault("restore")
        found: list[Message] = []
        for partition, position in self._positions.items():
            log = self._broker.logs[partition]
            stable = log.stable
            found += [
                message(partition, offset, log[offset])
                for offset in range(position, stable)
                if log[offset].is_visible
            ]
            self._positions[partition] = stable
            if self._reported.get(partition) != stable:
                self._reported[partition] = stable
                end = KafkaError(KafkaError._PARTITION_EOF)
                found.append(
                    Message(topic=partition[0], partition=partition[1], offset=stable, error=end)
                )
        return found

    def close(self) -> None:
        """Do nothing more."""


class Admin:
    """Metadata, and the beginnings and ends of partitions."""

    def __init__(self, broker: Broker, fault: Fault) -> None:
        self._broker = broker
        self._fault = fault

    def list_offsets(self, parts: Mapping[TopicPartition, Any], **_: object) -> dict[Any, Any]:
        """Return the beginnings, which are all 0, or the high watermarks."""
        self._fault("list_offsets")
        answers = {}
        for part, spec in parts.items():
            answers[part] = answer = Future[Any]()
            log = self._broker.logs[part.topic, part.partition]
            is_first = spec is OffsetSpec.earliest()
            answer.set_result(SimpleNamespace(offset=0 if is_first else len(log)))
        return answers


class TransactionalProducer:
    """A transactional producer; each call may fail before or after it has had its effect."""

    def __init__(self, broker: Broker, name: str, group: str, fault: Fault) -> None:
        self._broker = broker
        self._name = name
        self._group = group
        self._fault = fault
        self._epoch = 0

    def init_transactions(self, _: float) -> None:
        """Fence former producers of this name."""
        self._fault("init_transactions")
        self._epoch = self._broker.init(self._name)

    def begin_transaction(self) -> None:
        """Open a transaction."""
        self._fault("begin")
        self._broker.begin(self._name, self._epoch)

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        *rest: Any,
    ) -> None:
        """Append a record to the open transaction."""
        self._fault("produce")
        _, _, timestamp_ms, headers = rest
        self._append(topic, key, value, partition, timestamp_ms, headers or ())

    def produce_batch(self, topic: str, records: Sequence[dict[str, Any]], partition: int) -> int:
        """Append records to the open transaction."""
        self._fault("produce")
        for record in records:
            self._append(topic, record["key"], record["value"], partition, 0, ())
        return len(records)

    def _append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int,
        timestamp_ms: int,
        headers: Sequence[tuple[str, bytes]],
    ) -> None:
        transaction = self._broker.transaction(self._name, self._epoch)
        place = self._broker.partition_of(topic, key, partition)
        entry = Entry(key, value, timestamp_ms, tuple(headers), transaction)
        self._broker.append(place, entry)

    def poll(self, _: float) -> None:
        """Do nothing: there is no queue."""

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], metadata: object, _: float
    ) -> None:
        """Make offsets part of the transaction."""
        self._fault("send_offsets")
        found = {(part.topic, part.partition): part.offset for part in offsets}
        self._broker.add_offsets(self._name, self._epoch, self._group, found, metadata)
        self._fault("send_offsets")

    def commit_transaction(self, _: float) -> None:
        """Commit; the acknowledgement may be lost."""
        self._fault("commit")
        self._broker.end(self._name, self._epoch, "committed")
        self._fault("commit")

    def abort_transaction(self, _: float) -> None:
        """Abort."""
        self._fault("abort")
        self._broker.end(self._name, self._epoch, "aborted")


FAILURES: Mapping[str, Callable[[], BaseException]] = {
    "committed": retriable,
    "init_transactions": retriable,
    "produce": lambda: abortable(KafkaError._TIMED_OUT),
    "send_offsets": retriable,
    "commit": retriable,
    "abort": retriable,
}
"""Calls that may fail for now -> the error of the client."""
