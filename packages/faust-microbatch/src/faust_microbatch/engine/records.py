"""The values that agents handle: batches of one partition, their records and outboxes."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Protocol

import msgspec
from confluent_kafka import Message

Partition = tuple[str, int]
"""Topic and partition number."""

Headers = Sequence[tuple[str, bytes]]

RECORD_OVERHEAD_BYTES = 256
"""Memory of a record besides key and value, roughly."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """A Kafka record as read.

    A struct, made in 0.2 us and unknown to the garbage collector: there are tens of
    thousands of them at any time.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers


class Sendable(Protocol):
    """Anything that can be sent; a `Record` can."""

    @property
    def key(self) -> bytes | None:
        """Key, or None."""

    @property
    def value(self) -> bytes | None:
        """Value; None is a tombstone."""

    @property
    def timestamp_ms(self) -> int:
        """Epoch milliseconds; 0 lets Kafka's client stamp the record."""

    @property
    def headers(self) -> Headers:
        """Headers in order."""


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A record to be sent."""

    key: bytes | None = None
    value: bytes | None = None
    timestamp_ms: int = 0
    headers: Headers = ()


class Outbox:
    """The effects of a batch, invisible to all others until the batch is committed."""

    __slots__ = ("changes", "sends")

    def __init__(self) -> None:
        self.sends: list[tuple[str, int | None, Sequence[Sendable]]] = []
        self.changes: list[tuple[str, int, Mapping[bytes, bytes | None]]] = []


class Batch:
    """Consecutive records of one partition, handled as one: all of it counts or none.

    All that the agent sends and writes to its tables while it works on the batch goes into
    the batch's outbox, and from there, when the agent requests the next batch, into one Kafka
    transaction together with the batch's offset.

    Attributes:
        topic: Source topic.
        partition: Source partition.
        start: Offset that was to be read next when this batch was read, None if unknown.
        next_offset: Offset after the last record.
        size_bytes: Bytes of keys and values.
        memory_bytes: Memory the records take, roughly.
        skipped: Records between ``start`` and the first one that are lost: they were gone from
            the topic before they were read, see `Skip`. 0 but after an outage that outlasted
            the topic's retention.
        outbox: The effects of the batch so far.
    """

    __slots__ = (
        "_messages",
        "_records",
        "memory_bytes",
        "next_offset",
        "outbox",
        "partition",
        "size_bytes",
        "skipped",
        "start",
        "topic",
    )

    def __init__(
        self,
        topic: str,
        partition: int,
        messages: Sequence[Message],
        *,
        start: int | None,
        skipped: int = 0,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.start = start
        self.skipped = skipped
        self.next_offset = (messages[-1].offset() or 0) + 1
        keys: Any = filter(None, map(Message.key, messages))
        self.size_bytes = sum(map(len, messages)) + sum(map(len, keys))
        self.memory_bytes = self.size_bytes + RECORD_OVERHEAD_BYTES * len(messages)
        self.outbox = Outbox()
        self._messages = messages
        self._records: Sequence[Record] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def __repr__(self) -> str:
        return f"<Batch {self.topic}-{self.partition} up to {self.next_offset}>"

    @property
    def source(self) -> Partition:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def records(self) -> Sequence[Record]:
        """The records in order; made on first use."""
        if self._records is None:
            self._records = _records(self._messages, self.topic, self.partition)
        return self._records

    def send(
        self, topic: str, records: Iterable[Sendable], *, partition: int | None = None
    ) -> None:
        """Put ``records`` into the outbox.

        Args:
            topic: The output topic.
            records: Records; those that were read may be passed on as they are.
            partition: The output partition; None lets each key decide (murmur2).
        """
        self.outbox.sends.append((topic, partition, tuple(records)))

    def forget_records(self) -> None:
        """Let go of the records; the outbox stays."""
        self._messages = ()
        self._records = None


def _records(messages: Sequence[Message], topic: str, partition: int) -> list[Record]:
    # All in C but the timestamps: half the time of a loop.
    made: Any = map(
        Record,
        repeat(topic),
        repeat(partition),
        map(Message.offset, messages),
        map(Message.key, messages),
        map(Message.value, messages),
        [max(0, timestamp_ms) for _, timestamp_ms in map(Message.timestamp, messages)],
        [headers or () for headers in map(Message.headers, messages)],
    )
    return list(made)
