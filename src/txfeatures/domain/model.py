"""Values that travel between the services: frozen, slotted, units in their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import msgspec

MAX_MONEY_SAT = 21_000_000 * 100_000_000
"""Largest amount on the network (Bitcoin consensus rule, ``MAX_MONEY``)."""

MAX_WEIGHT = 4_000_000
"""Largest weight of a transaction (Bitcoin consensus rule: weight of a block)."""

YEAR_10000_S = 253_402_300_800
"""The first second without a date: neither Python nor Feature Store can write it."""

MINUTE_S = 60
MILLI = 1000

Satoshi = Annotated[int, msgspec.Meta(ge=0, le=MAX_MONEY_SAT)]
TransactionHash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
EpochSeconds = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
DatedMillis = Annotated[int, msgspec.Meta(ge=0, lt=(YEAR_10000_S - 86_400) * MILLI)]
"""A feed time; a day short of the year 10000, since event times begin at it and grow."""
Minute = Annotated[int, msgspec.Meta(ge=0, lt=YEAR_10000_S)]
Weight = Annotated[int, msgspec.Meta(ge=1, le=MAX_WEIGHT)]
PartCount = Annotated[int, msgspec.Meta(ge=0, le=MAX_WEIGHT)]

Headers = Sequence[tuple[str, bytes]]


class Output(msgspec.Struct, frozen=True, gc=False):
    """An output of a transaction.

    Attributes:
        value: Satoshi.
    """

    value: Satoshi


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a transaction that features use, named as in the source's JSON.

    The first three are required. Each of the others is None if the source has no valid value;
    the transaction then contributes nothing to the features computed from it.

    Attributes:
        hash: Transaction id, 64 lower-case hex digits.
        time: Epoch seconds at which the source first saw it; the event time.
        fee: Satoshi.
        size: Bytes.
        weight: Weight units; absent in the websocket's messages.
        rbf: True if it signals replace-by-fee; absent unless true.
        vin_sz: Number of inputs.
        vout_sz: Number of outputs.
        out: Outputs.
    """

    hash: TransactionHash
    time: EpochSeconds
    fee: Satoshi
    size: Weight | None = None
    weight: Weight | None = None
    rbf: bool | None = False
    vin_sz: PartCount | None = None
    vout_sz: PartCount | None = None
    out: Sequence[Output] | None = None

    @property
    def output_value(self) -> int | None:
        """Satoshi of all outputs; None if unknown or beyond ``MAX_MONEY_SAT``."""
        return None if self.out is None else total_value(self.out)


def total_value(outputs: Sequence[Output]) -> int | None:
    """Return the satoshi of all ``outputs``; None if beyond ``MAX_MONEY_SAT``."""
    total = sum([output.value for output in outputs])
    return total if total <= MAX_MONEY_SAT else None


class KafkaRecord(Protocol):
    """A Kafka record read by any client; `Record` is one implementation.

    ``timestamp_ms`` is the feed clock at the poll that produced the record.
    """

    @property
    def topic(self) -> str:
        """Name of the topic."""

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
        timestamp_ms: The feed clock, epoch milliseconds.
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
    """A Kafka record as read; ``timestamp_ms`` is the feed clock at its poll."""

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
    """The outcome of one poll, published on ``feed`` once its transactions are acknowledged.

    Attributes:
        poller: Name of the poller process.
        poll_id: Number of the poll within that process, from 1.
        feed_time_ms: The feed clock at the poll, epoch milliseconds.
        outcome: ``ok``, or the reason for the failure of the poll.
        seen: Transactions in the answer.
        new: Transactions in the answer that this process had not published before.
        gap: True if the feed outran the poll: two full answers shared no hash.
        v: Schema version.
    """

    poller: str
    poll_id: int
    feed_time_ms: DatedMillis
    outcome: str
    seen: int = 0
    new: int = 0
    gap: bool = False
    v: int = 1

    @property
    def is_alive(self) -> bool:
        """True if the source answered the poll."""
        return self.outcome == "ok"


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """The fold of one partition's transactions of one minute; absolute, so a repeat is harmless.

    It holds the folds that all of its transactions went into; a fold that it lacks was not declared
    when it began, and a declaration ignores those that it doesn't have.

    Attributes:
        states: Whole-number states by key of the fold (see ``features``); None if nothing
            contributed to it.
        late: Transactions that arrived after this partition's watermark had passed the minute.
        sketches: Histograms by key of the fold: bucket -> count (see ``features.sketch``).
    """

    states: Mapping[str, int | None]
    late: int = 0
    sketches: Mapping[str, Mapping[int, int]] = {}


class PartitionUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The partials of one partition of ``deduped`` that changed since its last update.

    Attributes:
        partition: Number of the partition.
        partitions: Number of partitions of the topic.
        feed_time_ms: The feed clock that the partition has reached, epoch milliseconds: all
            transactions of a time up to then are known.
        known_ms: Time of the newest record that it holds; the records that it adds to the update
            before it are all known by the same whole second.
        watermark_s: Event time before which no transaction was expected after that record.
        moved_ms: The feed clock when the newest event time last rose; 0 if it never did.
        minutes: Start of a minute (epoch seconds) -> its partial.
        v: Schema version.
    """

    partition: int
    partitions: int
    feed_time_ms: int
    watermark_s: int
    minutes: Mapping[Minute, Partial]
    known_ms: int = 0
    moved_ms: int = 0
    v: int = 1


FeatureValue = int | float | str
Row = Mapping[str, FeatureValue]
"""One revision of one minute: feature name -> value, in the declared order of ``features``."""
