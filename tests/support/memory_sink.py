"""A sink in memory in place of Kafka, and transactions to send to it."""

import json
from collections import Counter
from collections.abc import Collection, Sequence

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.kafka.client import UndeliveredError


class MemorySink:
    """A sink that keeps its records in a list.

    Attributes:
        records: Acknowledged records, in order.
        calls: Records of each call.
        forgotten: Topic -> number of its records that were forgotten.
        room: Number of records that will still be acknowledged; None for no limit.
        is_broken: True if the producer has failed for good.
    """

    def __init__(self, partitions: int = 2) -> None:
        self.records: list[OutgoingRecord] = []
        self.calls: list[list[OutgoingRecord]] = []
        self.forgotten: Counter[str] = Counter()
        self.room: int | None = None
        self.is_broken = False
        self._partitions = partitions

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        if self.is_broken:
            raise FatalError("the producer is fenced, start again")
        self.calls.append(list(records))
        taken = len(records) if self.room is None else min(self.room, len(records))
        self.records += records[:taken]
        if self.room is not None:
            self.room -= taken
        if taken < len(records):
            raise UndeliveredError(records[taken:], "no answer in time")

    def partitions(self, topic: str) -> int:
        if self.room == 0:
            raise TransientError("Kafka's brokers don't answer")
        return self._partitions

    def forget(self, topics: Collection[str]) -> None:
        """Forget the records of ``topics`` and all calls, but for their number."""
        self.calls.clear()
        self.forgotten.update(record.topic for record in self.records)
        self.records = [record for record in self.records if record.topic not in topics]

    def of(self, topic: str) -> list[OutgoingRecord]:
        """Return the acknowledged records of one topic."""
        return [record for record in self.records if record.topic == topic]


def tx_hash(number: int) -> str:
    return f"{number:064x}"


def tx(number: int, **changes: object) -> bytes:
    """Return a transaction's JSON, indented unlike our encoders' output; ``...`` drops a field."""
    fields = {"hash": tx_hash(number), "fee": 1000 + number, "time": 1_729_334_940} | changes
    return json.dumps({k: v for k, v in fields.items() if v is not ...}, indent=1).encode()


def body(*transactions: bytes) -> bytes:
    """Return the body of an answer."""
    return b'{ "txs" : [ ' + b" , ".join(transactions) + b" ] }"


def ids(records: Sequence[OutgoingRecord]) -> list[str]:
    """Return the keys of records as text, ``tick`` for a tick."""
    return ["tick" if record.key is None else record.key.decode() for record in records]
