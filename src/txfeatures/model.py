"""Values that travel between the services: frozen, slotted, units in their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import msgspec

MAX_MONEY_SAT = 21_000_000 * 100_000_000
"""No amount on the network can exceed it (Bitcoin consensus rule, ``MAX_MONEY``)."""

MINUTE_S = 60

Satoshi = Annotated[int, msgspec.Meta(ge=0, le=MAX_MONEY_SAT)]
TransactionHash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
EpochSeconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

Headers = Sequence[tuple[str, bytes]]


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """What the features need of one transaction, as the source's JSON names it.

    Attributes:
        hash: Transaction id, 64 lower-case hex digits.
        time: Epoch seconds at which the source first saw it: the event time.
        fee: Satoshi.
    """

    hash: TransactionHash
    time: EpochSeconds
    fee: Satoshi


class KafkaRecord(Protocol):
    """A Kafka record as read, whichever client read it.

    ``timestamp_ms`` is the feed's clock when it was polled; `Record` is one of them.
    """

    @property
    def topic(self) -> str:
        """Where it stood."""

    @property
    def partition(self) -> int:
        """Number of the partition."""

    @property
    def offset(self) -> int:
        """Position in the partition."""

    @property
    def key(self) -> bytes | None:
        """Key, or None."""

    @property
    def value(self) -> bytes | None:
        """Value, or None."""

    @property
    def timestamp_ms(self) -> int:
        """Epoch milliseconds."""

    @property
    def headers(self) -> Headers:
        """Headers in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRecord:
    """A Kafka record to be sent.

    Attributes:
        partition: Fixed partition, or None to let the key decide (murmur2).
        timestamp_ms: The feed's clock, epoch milliseconds.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers = ()
    partition: int | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A Kafka record as read; ``timestamp_ms`` is the feed's clock when it was polled."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers = field(default=())

    @property
    def size_bytes(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """One poll, said on ``feed`` after its transactions were acknowledged.

    Attributes:
        poller: Name of the poller process.
        poll_id: Number of the poll within that process, from 1.
        feed_time_ms: The feed's clock at the poll, epoch milliseconds.
        outcome: ``ok`` or the reason the poll failed.
        seen: Transactions in the answer.
        new: Those of them this process had not published before.
        gap: The feed outran the poll: two full answers shared no hash.
        v: Schema version.
    """

    poller: str
    poll_id: int
    feed_time_ms: int
    outcome: str
    seen: int = 0
    new: int = 0
    gap: bool = False
    v: int = 1

    @property
    def is_alive(self) -> bool:
        """Whether the feed answered."""
        return self.outcome == "ok"


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """The fold of one partition's transactions of one minute; absolute, so a repeat is harmless.

    Attributes:
        states: Fold state per folded feature name (see ``features``).
        late: Transactions that came after this partition's watermark had passed the minute.
    """

    states: Mapping[str, int]
    late: int = 0


class PartitionUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What one partition of ``deduped`` has folded up to a moment of the feed's clock.

    Attributes:
        partition: Its number; ``partitions`` is how many there are.
        feed_time_ms: The feed's clock the partition has reached.
        watermark_s: No transaction older than this is expected any more, epoch seconds.
        minutes: The minutes (epoch seconds of their start) that changed since the last update.
        v: Schema version.
    """

    partition: int
    partitions: int
    feed_time_ms: int
    watermark_s: int
    minutes: Mapping[int, Partial]
    v: int = 1


FeatureValue = int | float | str
Row = Mapping[str, FeatureValue]
"""One revision of one minute: feature name -> value, in the declared order of ``features``."""
