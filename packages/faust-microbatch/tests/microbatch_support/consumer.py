"""A consumer without Kafka."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, TopicPartition

from faust_microbatch.engine.records import Partition
from microbatch_support.waiting import LOOK_S


@dataclass
class Answer:
    """A committed offset as the client returns it."""

    topic: str
    partition: int
    offset: int
    error: KafkaError | None = None


class FakeConsumer:
    """A consumer whose reads and rebalances come from a script of calls."""

    def __init__(self) -> None:
        self.script: list[Callable[[], list[Message] | None]] = []
        self.offsets: dict[Partition, int] = {}
        self.assignments: list[dict[Partition, int]] = []
        self.paused = False
        self.generation = 0
        self.committed_failures: list[BaseException] = []
        self.unanswered: list[Partition] = []
        self.watermarks: dict[Partition, tuple[int, int]] = {}
        self.watermark_failures: list[BaseException] = []
        self.is_closed = False
        self.rest: list[Message] = []
        self.slices: list[list[Message]] = []
        self.before_rest: Callable[[], object] = lambda: None

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        self.topics = topics
        self.callbacks = callbacks

    def give(self, *partitions: Partition) -> None:
        """Let the next read bring an assignment."""
        parts = [TopicPartition(*partition) for partition in partitions]
        self.script.append(lambda: self.callbacks["on_assign"](self, parts) or [])

    def take(self) -> None:
        """Let the next read bring a revocation."""
        self.script.append(lambda: self.callbacks["on_revoke"](self, []) or [])

    def say(self, *found: Message) -> None:
        """Let the next read bring messages, once their partitions are read at all."""
        sources = {(each.topic(), each.partition()) for each in found if each.error() is None}

        def bring() -> list[Message] | None:
            assigned = self.assignments[-1] if self.assignments else {}
            return list(found) if sources <= assigned.keys() else None

        self.script.append(bring)

    def consume(self, count: int, timeout_s: float) -> list[Message]:
        """Return the first message of the next read, or, of more, the rest of the last one.

        Once a read has nothing of its own, later slices of it bring those of ``slices``.
        """
        if count > 1:
            rest, self.rest = self.rest, []
            self.before_rest()
            return rest or (self.slices.pop(0) if self.slices else [])
        if self.script and (found := self.script[0]()) is not None:
            self.script.pop(0)
            self.rest = found[1:]
            return found[:1]
        threading.Event().wait(min(timeout_s, LOOK_S))  # a read may return early
        return []

    def consumer_group_metadata(self) -> object:
        self.generation += 1
        return f"generation {self.generation}"

    def committed(self, parts: Sequence[TopicPartition], _: float) -> list[Answer]:
        if self.committed_failures:
            raise self.committed_failures.pop(0)
        refused = self.unanswered.pop(0) if self.unanswered else None
        return [
            Answer(*source, -1001, KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT))
            if source == refused
            else Answer(*source, self.offsets.get(source, -1001))
            for source in ((part.topic, part.partition) for part in parts)
        ]

    def assign(self, parts: Sequence[TopicPartition]) -> None:
        self.assignments.append({(p.topic, p.partition): p.offset for p in parts})

    def pause(self, _: Sequence[TopicPartition]) -> None:
        self.paused = True

    def resume(self, _: Sequence[TopicPartition]) -> None:
        self.paused = False

    def lose(self, source: Partition, *, low: int, high: int) -> None:
        """Let the next read report that an offset is gone; the topic holds these by then."""
        error = KafkaError(KafkaError._AUTO_OFFSET_RESET)
        gone = Message(topic=source[0], partition=source[1], error=error)
        self.script.append(lambda: self.watermarks.update({source: (low, high)}) or [gone])

    def get_watermark_offsets(
        self, part: TopicPartition, timeout_s: float = -1.0, *, cached: bool = False
    ) -> tuple[int, int]:
        if self.watermark_failures and not cached:
            raise self.watermark_failures.pop(0)
        return self.watermarks.get((part.topic, part.partition), (0, 100))

    def close(self) -> None:
        """Leave the group as the client does: what is assigned is revoked first."""
        if any(self.assignments):
            self.callbacks["on_revoke"](self, [])
        self.is_closed = True
