from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.kafka.reader import FILL_S, MOST_FILLS, Reader
from txfeatures.kafka.source import next_offsets


class Error:
    def __init__(self, *, is_fatal: bool = False, code: int = KafkaError._TRANSPORT) -> None:
        self._is_fatal = is_fatal
        self._code = code

    def code(self) -> int:
        return self._code

    def fatal(self) -> bool:
        return self._is_fatal

    def str(self) -> str:
        return "broke"


class Message:
    def __init__(self, offset: int, error: Error | None = None) -> None:
        self._offset = offset
        self._error = error

    def error(self) -> Error | None:
        return self._error

    def offset(self) -> int:
        return self._offset

    def topic(self) -> str:
        return "raw"

    def partition(self) -> int:
        return 1

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes | None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_729_334_970_063

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return [("a", b"1"), ("b", None)]


class Consumer:
    def __init__(self, *batches: Sequence[Message]) -> None:
        self._batches = list(batches)
        self.waits: list[float] = []

    def consume(self, max_records: int, timeout_s: float) -> Sequence[Message]:
        self.waits.append(timeout_s)
        return self._batches.pop(0) if self._batches else []


def reader(*batches: Sequence[Message]) -> Reader:
    return Reader(Consumer(*batches), group="g")  # type: ignore[arg-type]


def test_a_message_becomes_a_record_with_all_it_has() -> None:
    assert reader([Message(7)]).read(1, 0) == [
        Record(
            topic="raw",
            partition=1,
            offset=7,
            key=b"k",
            value=None,
            timestamp_ms=1_729_334_970_063,
            headers=(("a", b"1"), ("b", b"")),
        )
    ]


def test_a_read_ends_with_what_there_is_instead_of_waiting_to_be_full() -> None:
    consumer = Consumer([Message(7)], [Message(8)], [], [Message(9)])
    found = Reader(consumer, group="g").read(100, 0.5)  # type: ignore[arg-type]
    assert [record.offset for record in found] == [7, 8]
    assert consumer.waits == [0.5, FILL_S, FILL_S]


def test_a_read_ends_although_more_keeps_coming() -> None:
    consumer = Consumer(*([Message(offset)] for offset in range(100)))
    found = Reader(consumer, group="g").read(100, 0.5)  # type: ignore[arg-type]
    assert [record.offset for record in found] == list(range(1 + MOST_FILLS))


def test_a_read_that_is_full_waits_for_no_more() -> None:
    consumer = Consumer([Message(7)], [Message(8)], [Message(9)])
    found = Reader(consumer, group="g").read(2, 0.5)  # type: ignore[arg-type]
    assert [record.offset for record in found] == [7, 8]
    assert consumer.waits == [0.5, FILL_S]


def test_a_read_of_nothing_ends_in_time() -> None:
    consumer = Consumer([], [Message(7)])
    assert Reader(consumer, group="g").read(100, 0.5) == []  # type: ignore[arg-type]
    assert consumer.waits == [0.5]


def test_records_beside_an_error_come_out_before_it_is_raised() -> None:
    reading = reader([Message(1)], [Message(0, Error()), Message(2)], [Message(3)])
    assert [record.offset for record in reading.read(9, 0)] == [1, 2]
    with pytest.raises(TransientError, match="refused a read: broke"):
        reading.read(9, 0)
    assert [record.offset for record in reading.read(9, 0)] == [3]


@pytest.mark.parametrize("error", [Error(is_fatal=True), Error(code=KafkaError._FATAL)])
def test_a_consumer_beyond_repair_is_fatal(error: Error) -> None:
    with pytest.raises(FatalError, match="start again"):
        reader([Message(0, error)]).read(1, 0)


def test_the_next_offset_of_a_partition_is_after_its_last_record() -> None:
    records = reader([Message(4), Message(5)]).read(2, 0)
    assert next_offsets(records) == {("raw", 1): 6}
