"""Reads of batches from a Kafka consumer: records, errors, and offsets that are gone."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    Message,
)

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.kafka.consumer import Partition
from txfeatures.kafka.rights import JOIN, READ, missing_right

FILL_S = 0.002
"""Seconds that a read waits for more records at a time, once it has one."""

MOST_FILLS = 5
"""Waits after which a read ends although more keeps coming."""


class Reader:
    """Reads batches; an error among them is raised only when the records before it are out.

    The client has moved past those records: raising at once would lose them.

    Args:
        consumer: The consumer.
        group: Its group.

    Attributes:
        gone: Partitions that are read no more, as their next offset is gone.
    """

    def __init__(self, consumer: Consumer, *, group: str) -> None:
        self.gone: set[Partition] = set()
        self._consumer = consumer
        self._group = group
        self._error: KafkaError | None = None
        self._topic = ""  # of the error

    def read(self, max_records: int, timeout_s: float) -> list[Record]:
        """Return up to ``max_records`` records, waiting up to ``timeout_s`` for the first.

        Raises:
            TransientError: The brokers refused for now; nothing that was read is lost.
            FatalError: The consumer is beyond repair.
        """
        records: list[Record] = []
        if self._error is None:
            messages = self._consume(max_records, timeout_s)
            records = to_records([message for message in messages if message.error() is None])
            self._error = self._first_error(messages)
        if self._error is not None and not records:
            error, self._error = self._error, None
            # A read reports a fatal error by its code, not by ``fatal()``.
            if error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
                raise FatalError(f"Kafka's consumer is beyond repair: {error.str()}; start again")
            denied = missing_right(error, (READ, self._topic), (JOIN, self._group))
            raise TransientError(denied or f"Kafka refused a read: {error.str()}")
        return records

    def _consume(self, max_records: int, timeout_s: float) -> list[Message]:
        # The client waits until it has as many records as it may return: so the first one is
        # awaited alone, and the others for moments only. What is wrong is reported first.
        found = self._consumer.consume(1, timeout_s)
        messages = [*found]
        for _ in range(MOST_FILLS):
            is_full = len(messages) >= max_records
            if not found or is_full or any(message.error() for message in found):
                break
            found = self._consumer.consume(max_records - len(messages), FILL_S)
            messages += found
        return messages

    def _first_error(self, messages: Sequence[Message]) -> KafkaError | None:
        first: KafkaError | None = None
        for message in messages:
            if (error := message.error()) is None:
                continue
            if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - its public name
                self.gone.add((message.topic() or "", message.partition() or 0))
            elif first is None:
                first, self._topic = error, message.topic() or ""
        return first


def to_records(messages: Sequence[Message]) -> list[Record]:
    """Return ``messages``, none of which is an error, as records."""
    records = []
    for message in messages:
        kind, timestamp_ms = message.timestamp()
        headers: Sequence[tuple[str, Any]] = message.headers() or ()  # type: ignore[assignment]
        records.append(
            Record(
                topic=message.topic() or "",
                partition=message.partition() or 0,
                offset=message.offset() or 0,
                key=_bytes(message.key()),
                value=_bytes(message.value()),
                timestamp_ms=0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
                headers=tuple((str(name), _bytes(value) or b"") for name, value in headers),
            )
        )
    return records


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
