"""Small real classes in the place of Kafka, and values to send through it."""

import json
from collections.abc import Sequence

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.kafka.client import UndeliveredError


class MemorySink:
    """Kafka as a list.

    Attributes:
        records: What was acknowledged, in order.
        room: How many records are still acknowledged, None for any number.
        is_broken: Whether the producer is beyond repair.
    """

    def __init__(self, partitions: int = 2) -> None:
        self.records: list[OutgoingRecord] = []
        self.calls: list[list[OutgoingRecord]] = []
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

    def of(self, topic: str) -> list[OutgoingRecord]:
        """Return what was acknowledged of one topic."""
        return [record for record in self.records if record.topic == topic]


def tx_hash(number: int) -> str:
    return f"{number:064x}"


def tx(number: int, **changes: object) -> bytes:
    """Return a transaction's JSON, spaced as no encoder of ours would; ``...`` drops a field."""
    fields = {"hash": tx_hash(number), "fee": 1000 + number, "time": 1_729_334_940} | changes
    return json.dumps({k: v for k, v in fields.items() if v is not ...}, indent=1).encode()


def body(*transactions: bytes) -> bytes:
    """Return an answer's body."""
    return b'{ "txs" : [ ' + b" , ".join(transactions) + b" ] }"


def ids(records: Sequence[OutgoingRecord]) -> list[str]:
    """Return the keys of records, as text; a tick's is ``tick``."""
    return ["tick" if record.key is None else record.key.decode() for record in records]
