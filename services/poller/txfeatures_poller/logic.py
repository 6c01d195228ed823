"""The meaning of an answer: its new elements, its unreadable ones, and gaps before it [pure]."""

import hashlib
from collections import OrderedDict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import Headers, Heartbeat, OutgoingRecord
from txfeatures.domain.topics import FEED, MAX_RECORD_BYTES, RAW, dead_letter_topic

BEGINNING_BYTES = 4096
"""Kept of an answer that becomes one dead letter: enough to recognise a page or a format."""


class Recent:
    """A set that forgets what was added first when it holds more than ``limit``."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __len__(self) -> int:
        return len(self._items)

    def update(self, items: Iterable[bytes]) -> None:
        """Add ``items`` in order."""
        for item in items:
            self._items[item] = None
            if len(self._items) > self._limit:
                self._items.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of an answer.

    Attributes:
        identity: Of a transaction its hash in ASCII, of an unreadable element the SHA-256
            of its bytes. So a transaction that came broken is not taken for its good
            version later.
        value: Its bytes as the source gave them; None if no record can hold them.
        error: The error that reading it raised, None for a transaction.
        time_s: Of a transaction its ``time``, epoch seconds.
    """

    identity: bytes
    value: bytes | None
    error: InvalidMessageError | None = None
    time_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A body as it is kept where its elements are not.

    Attributes:
        size_bytes: Its length.
        sha256: The SHA-256 of its bytes.
        beginning: Its first bytes.
    """

    size_bytes: int
    sha256: bytes
    beginning: bytes

    @classmethod
    def of(cls, body: bytes | bytearray) -> Self:
        """Return the summary of ``body``."""
        return cls(
            size_bytes=len(body),
            sha256=hashlib.sha256(body).digest(),
            beginning=bytes(body[:BEGINNING_BYTES]),
        )

    def refused(self, reason: str, detail: str) -> Element:
        """Return the dead letter that stands for the whole body."""
        error = InvalidMessageError(
            reason, f"{detail}; the answer had {self.size_bytes} bytes, SHA-256 {self.sha256.hex()}"
        )
        return Element(identity=self.sha256, value=self.beginning, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The elements of an answer.

    Attributes:
        new: The elements to be published, in the answer's order.
        identities: Those of all elements, the known ones included.
    """

    new: Sequence[Element]
    identities: frozenset[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The origin of records, as in their headers.

    Attributes:
        source: Host that answered.
        poller: Name of the poller.
        poll_id: Number of the poll within the process, from 1.
        feed_time_ms: The feed's clock at the poll, epoch milliseconds.
        fetched_at_ms: Time of day at which the answer was there, epoch milliseconds.
    """

    source: str
    poller: str
    poll_id: int
    feed_time_ms: int
    fetched_at_ms: int

    @property
    def headers(self) -> Headers:
        """The headers of every record of the poll."""
        return (
            ("txf-source", self.source.encode()),
            ("txf-poller", self.poller.encode()),
            ("txf-poll-id", str(self.poll_id).encode()),
            *wire.fetched_at(self.fetched_at_ms),
        )


def read(value: bytes, max_record_bytes: int = MAX_RECORD_BYTES) -> Element:
    """Read one element of an answer; never fails."""
    if larger := wire.too_large(value, max_record_bytes):
        return Element(identity=hashlib.sha256(value).digest(), value=None, error=larger)
    try:
        transaction = wire.decode_transaction(value)
    except InvalidMessageError as error:
        return Element(identity=hashlib.sha256(value).digest(), value=value, error=error)
    return Element(identity=transaction.hash.encode(), value=value, time_s=transaction.time)


def select(
    transactions: Iterable[bytes],
    known: Container[bytes],
    *,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Selection:
    """Return the elements not in ``known``, each identity once: the first in the answer counts."""
    new: list[Element] = []
    identities: set[bytes] = set()
    for value in transactions:
        element = read(value, max_record_bytes)
        if element.identity not in identities and element.identity not in known:
            new.append(element)
        identities.add(element.identity)
    return Selection(new=new, identities=frozenset(identities))


def bounded(
    selection: Selection, whole: Whole, known: Container[bytes], *, max_rejected: int
) -> Selection:
    """Return ``selection`` with one dead letter for the ``whole`` answer in place of too many.

    It is left out if it is ``known``: published before.
    """
    transactions = [element for element in selection.new if element.error is None]
    rejected = len(selection.new) - len(transactions)
    if rejected <= max_rejected:
        return selection
    letter = whole.refused("too_many_rejected", f"{rejected} new elements can't be read")
    letters = [] if letter.identity in known else [letter]
    return replace(selection, new=[*transactions, *letters])


def is_gap(shown: Recent, current: frozenset[bytes] | None) -> bool:
    """Return True if the feed outran the poll before an answer.

    Args:
        shown: The identities of the answer before, empty if it was not full, and of what was
            pushed since.
        current: Those of the answer now, None if it is not full.
    """
    return len(shown) > 0 and current is not None and not any(item in shown for item in current)


def record(element: Element, origin: Origin) -> OutgoingRecord:
    """Return ``element`` for ``raw``, or with the reason for its dead letter topic."""
    if element.error is None:
        return OutgoingRecord(
            topic=RAW,
            key=element.identity,
            value=element.value,
            timestamp_ms=origin.feed_time_ms,
            headers=origin.headers,
        )
    return OutgoingRecord(
        topic=dead_letter_topic(RAW),
        key=None,
        value=element.value,
        timestamp_ms=origin.feed_time_ms,
        headers=(*origin.headers, *wire.error_headers(element.error)),
    )


def ticks(partitions: int, origin: Origin) -> list[OutgoingRecord]:
    """Return a tick of the feed's clock for each partition of ``raw``."""
    headers = wire.fetched_at(origin.fetched_at_ms)
    return [
        wire.tick(RAW, partition, origin.feed_time_ms, headers=headers)
        for partition in range(partitions)
    ]


def heartbeat_record(heartbeat: Heartbeat) -> OutgoingRecord:
    """Return ``heartbeat`` for ``feed``."""
    return OutgoingRecord(
        topic=FEED,
        key=heartbeat.poller.encode(),
        value=wire.encode_heartbeat(heartbeat),
        timestamp_ms=heartbeat.feed_time_ms,
    )
