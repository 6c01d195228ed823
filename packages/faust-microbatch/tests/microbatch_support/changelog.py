"""A changelog without Kafka."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import OffsetSpec

from faust_microbatch import DictStore
from faust_microbatch.engine.clients import Clients
from faust_microbatch.engine.recovery import Restoration, restore
from microbatch_support.apps import CONFIG

CHANGELOG = "seen-changelog"

Read = Callable[[], list[Message]]


def change(offset: int, key: bytes, value: bytes | None, *, partition: int = 0) -> Message:
    return Message(topic=CHANGELOG, partition=partition, offset=offset, key=key, value=value)


def error(code: int, *, partition: int = 0, offset: int = 0) -> Message:
    return Message(topic=CHANGELOG, partition=partition, offset=offset, error=KafkaError(code))


def end(offset: int, *, partition: int = 0) -> Message:
    return error(KafkaError._PARTITION_EOF, partition=partition, offset=offset)


class Reader:
    """A consumer of changelogs that reads from a script."""

    def __init__(self, script: list[Read]) -> None:
        self._script = script
        self.assigned: list[tuple[str, int, int]] = []
        self.is_closed = False

    def list_topics(self, *_: object) -> None: ...

    def assign(self, parts: Sequence[TopicPartition]) -> None:
        self.assigned = [(part.topic, part.partition, part.offset) for part in parts]

    def consume(self, *_: object) -> list[Message]:
        return self._script.pop(0)()

    def close(self) -> None:
        self.is_closed = True


@dataclass
class End:
    offset: int


class Admin:
    """An admin client that knows beginnings and high watermarks, after some failures."""

    def __init__(
        self, ends: dict[int, int], failures: list[KafkaException], beginning: int
    ) -> None:
        self._ends = ends
        self._beginning = beginning
        self._failures = failures
        self.levels: list[object] = []

    def list_offsets(
        self, requests: dict[TopicPartition, Any], *, isolation_level: IsolationLevel
    ) -> dict[TopicPartition, Future[End]]:
        self.levels.append(isolation_level)
        answers = {}
        for part, spec in requests.items():
            answers[part] = answer = Future[End]()
            if self._failures:
                answer.set_exception(self._failures.pop(0))
            else:
                is_first = spec is OffsetSpec.earliest()
                answer.set_result(End(self._beginning if is_first else self._ends[part.partition]))
        return answers


class Changelog(Clients):
    """A changelog's clients, scripted."""

    def __init__(
        self,
        *reads: list[Message],
        ends: dict[int, int],
        failures: Sequence[KafkaException] = (),
        beginning: int = 0,
    ) -> None:
        super().__init__(CONFIG)
        self.script: list[Read] = [lambda read=read: read for read in reads]  # type: ignore[misc]
        self.made = Reader(self.script)
        self._admin = Admin(ends, list(failures), beginning)
        self.give_up = threading.Event()

    def reader(self) -> Any:
        return self.made

    def admin(self) -> Any:
        return self._admin

    def restore(self, *stores: DictStore) -> int:
        restorations = [
            Restoration(changelog=(CHANGELOG, number), store=store)
            for number, store in enumerate(stores)
        ]
        return restore(restorations, self, give_up=self.give_up)
