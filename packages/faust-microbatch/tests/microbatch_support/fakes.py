"""Real small classes in place of Kafka's client, scripted by the tests."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from faust_microbatch import CrashedError
from faust_microbatch.engine.crash import Crash


def messages(
    count: int, *, topic: str = "in", partition: int = 0, first: int = 0, key: bytes = b"k%d"
) -> list[Message]:
    """Return consecutive messages as the client reads them."""
    return [
        Message(
            topic=topic,
            partition=partition,
            offset=offset,
            key=key % offset if b"%d" in key else key,
            value=b"v%d" % offset,
            timestamp=(1, 1000 + offset),
        )
        for offset in range(first, first + count)
    ]


def failure(
    code: int = KafkaError._TIMED_OUT,
    *,
    fatal: bool = False,
    retriable: bool = False,
    abort: bool = False,
) -> KafkaException:
    return KafkaException(KafkaError(code, "scripted", fatal, retriable, abort))


class FakeProducer:
    """A transactional producer that remembers what was committed.

    ``failures`` maps a method's name to what it raises, in order; None is a success.
    """

    def __init__(self, room: int = 1_000_000) -> None:
        self.failures: dict[str, deque[BaseException | None]] = {}
        self.calls: list[str] = []
        self.committed: list[tuple[str, bytes | None, bytes | None]] = []
        self.positions: dict[tuple[str, int], int] = {}
        self.sent: list[dict[str, Any]] = []
        self.metadata: object = None
        self._room = room
        self._queued = 0
        self._offsets: Sequence[TopicPartition] = ()

    def fail(self, method: str, *errors: BaseException | None) -> None:
        self.failures[method] = deque(errors)

    def init_transactions(self, _: float) -> None:
        self._call("init_transactions")

    def begin_transaction(self) -> None:
        self._call("begin_transaction")
        self.sent = []

    def produce(self, *arguments: Any) -> None:
        self._call("produce")
        if self._queued >= self._room:
            raise BufferError
        self._queued += 1
        topic, value, key, partition, _, _, timestamp_ms, headers = arguments
        self.sent.append(
            {
                "topic": topic,
                "key": key,
                "value": value,
                "partition": partition,
                "timestamp_ms": timestamp_ms,
                "headers": headers,
            }
        )

    def produce_batch(self, topic: str, records: list[dict[str, Any]], partition: int) -> int:
        self._call("produce_batch")
        taken = 0
        for record in records:
            if self._queued < self._room:
                self._queued += 1
                taken += 1
                self.sent.append({"topic": topic, "partition": partition, **record})
            else:
                record["_error"] = KafkaError(KafkaError._QUEUE_FULL)
        return taken

    def poll(self, _: float) -> None:
        self._queued = 0

    def send_offsets_to_transaction(
        self, offsets: Sequence[TopicPartition], metadata: object, _: float
    ) -> None:
        self._call("send_offsets_to_transaction")
        self.metadata = metadata
        self._offsets = offsets

    def commit_transaction(self, _: float) -> None:
        self._call("commit_transaction")
        self.committed += [(r["topic"], r["key"], r["value"]) for r in self.sent]
        self.positions |= {(p.topic, p.partition): p.offset for p in self._offsets}

    def abort_transaction(self, _: float) -> None:
        self._call("abort_transaction")
        self.sent = []

    def _call(self, method: str) -> None:
        self.calls.append(method)
        errors = self.failures.get(method)
        if errors and (error := errors.popleft()) is not None:
            raise error


class Exit:
    """Takes the place of the worker's end."""

    def __init__(self) -> None:
        self.errors: list[CrashedError] = []
        self.happened = threading.Event()
        self.crash = Crash(self)

    def __call__(self, error: CrashedError) -> None:
        self.errors.append(error)
        self.happened.set()
