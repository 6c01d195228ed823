"""A member of a group, over a client that does as it is told."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Tp
from structlog.testing import capture_logs

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.kafka import consumer as module
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.skips import SkippedRecords
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.kafka.tails import KafkaTail
from txfeatures.process.settings import KafkaSettings

SETTINGS = KafkaSettings(bootstrap_servers="127.0.0.1:1")


class Answer:
    """A partition's answer of ``committed``."""

    def __init__(self, offset: int, error: KafkaError | None = None, partition: int = 0) -> None:
        self.topic, self.partition, self.offset, self.error = "deduped", partition, offset, error


class Message:
    def __init__(self, offset: int, code: int | None = None) -> None:
        self._offset = offset
        self._error = None if code is None else KafkaError(code)

    def error(self) -> KafkaError | None:
        return self._error

    def topic(self) -> str:
        return "deduped"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes:
        return b"v"

    def timestamp(self) -> tuple[int, int]:
        return 1, 1

    def headers(self) -> None:
        return None


GONE = Message(0, KafkaError._AUTO_OFFSET_RESET)


class Client:
    """Kafka's consumer: assigns partition 0 at the first read, then reads ``batches``."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties
        self.answers: list[Answer] = [Answer(100)]
        self.batches: list[Sequence[Message]] = []
        self.watermarks: tuple[int, int] | None = (250, 900)
        self.starts: list[int] = []
        self.callbacks: dict[str, Callable[..., None]] = {}

    def subscribe(self, _topics: list[str], **callbacks: Callable[..., None]) -> None:
        self.callbacks = callbacks

    def committed(self, _partitions: object, timeout: float) -> list[Answer]:
        return self.answers

    def incremental_assign(self, partitions: list[Tp]) -> None:
        self.starts += [partition.offset for partition in partitions]

    def incremental_unassign(self, partitions: list[Tp]) -> None: ...

    def assign(self, partitions: list[Tp]) -> None:
        self.incremental_assign(partitions)

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions=[0])})

    def get_watermark_offsets(self, _partition: Tp, timeout: float) -> tuple[int, int]:
        if self.watermarks is None:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return self.watermarks

    def consume(self, _max_records: int, _timeout_s: float) -> Sequence[Message]:
        if self.callbacks and not self.starts:
            self.callbacks["on_assign"](self, [Tp("deduped", 0)])
        return self.batches.pop(0) if self.batches else []

    def close(self) -> None: ...


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Return the clients that are opened, in order."""
    opened: list[Client] = []

    def open_client(_kind: object, properties: dict[str, Any]) -> Client:
        opened.append(Client(properties))
        return opened[-1]

    monkeypatch.setattr(module, "open_client", open_client)
    return opened


def source(clients: list[Client], **more: Any) -> tuple[KafkaSource, Client]:
    return KafkaSource(SETTINGS, ["deduped"], group="g", **more), clients[-1]


def read(member: KafkaSource) -> list[int]:
    return [record.offset for record in member.poll(max_records=9, timeout_s=0)]


def test_every_consumer_reads_committed_records_and_never_moves_on_unnoticed(
    clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    source(clients)
    KafkaTail(SETTINGS, "feed")
    monkeypatch.setattr(KafkaAdmin, "_count", lambda *_: 1)
    KafkaAdmin(SETTINGS).committed("g", "deduped")
    monkeypatch.setattr(Client, "list_topics", lambda *_, **__: (_ for _ in ()).throw(ending()))
    monkeypatch.setattr(Client, "poll", lambda *_: None, raising=False)
    with pytest.raises(TransientError):
        committed_ends(SETTINGS, "deduped")
    assert [client.properties["group.id"] for client in clients] == [
        "g", "tail-feed", "g", "ends-deduped"
    ]  # fmt: skip
    for client in clients:
        assert client.properties["isolation.level"] == "read_committed"
        assert client.properties["auto.offset.reset"] == "error"
        assert client.properties["enable.auto.commit"] is False


def ending() -> KafkaException:
    return KafkaException(KafkaError(KafkaError._TRANSPORT))


@pytest.mark.parametrize(
    ("offset", "start"), [(100, 100), (0, 0), (OFFSET_INVALID, OFFSET_BEGINNING)]
)
def test_a_member_starts_at_the_committed_offset_or_the_beginning(
    clients: list[Client], offset: int, start: int
) -> None:
    member, client = source(clients)
    client.answers = [Answer(offset)]
    read(member)
    assert client.starts == [start]


def test_an_error_in_the_answer_is_not_an_absent_offset(
    clients: list[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        Answer(7, partition=1),
        Answer(OFFSET_INVALID, KafkaError(KafkaError.NOT_COORDINATOR)),
    ]
    member, client = source(clients)
    client.answers = answers
    with pytest.raises(FatalError, match="committed offsets are not known"):
        read(member)
    assert client.starts == []

    monkeypatch.setattr(KafkaAdmin, "_count", lambda *_: 2)
    monkeypatch.setattr(Client, "committed", lambda *_, **__: answers)
    with pytest.raises(TransientError, match="committed offsets are not known"):
        KafkaAdmin(SETTINGS).committed("g", "deduped")


def test_a_committed_offset_that_is_gone_is_reported_before_reading_goes_on(
    clients: list[Client],
) -> None:
    skipped: list[SkippedRecords] = []
    member, client = source(clients, on_skipped=skipped.append)
    client.batches = [[GONE], [Message(250)]]
    assert read(member) == []
    with capture_logs() as logs:
        assert read(member) == [250]
    expected = {
        "topic": "deduped",
        "partition": 0,
        "committed_offset": 100,
        "first_offset": 250,
        "records": 150,
        "reason": "expired",
    }
    assert logs == [{"event": "records_skipped", "log_level": "error", **expected}]
    assert skipped == [SkippedRecords(**expected)]  # type: ignore[arg-type]
    assert client.starts == [100, 250]


def test_records_that_expire_while_a_member_reads_are_reported_from_its_position(
    clients: list[Client],
) -> None:
    skipped: list[SkippedRecords] = []
    member, client = source(clients, on_skipped=skipped.append)
    client.batches = [[Message(100), Message(101), GONE], [GONE]]
    assert read(member) == [100, 101]
    read(member)
    client.watermarks = (300, 900)  # it went on while we reported
    read(member)
    assert [(s.committed_offset, s.first_offset) for s in skipped] == [(102, 250), (250, 300)]


def test_a_skip_is_reported_again_until_it_is_taken_and_the_watermarks_are_known(
    clients: list[Client],
) -> None:
    def refuse(_: SkippedRecords) -> None:
        raise TransientError("S3 is away")

    member, client = source(clients, on_skipped=refuse)
    client.batches = [[GONE]]
    read(member)
    client.watermarks = None
    with pytest.raises(TransientError, match="first offset"):
        read(member)
    client.watermarks = (250, 900)
    for _ in range(2):
        with pytest.raises(TransientError, match="S3 is away"):
            read(member)
    assert client.starts == [100]


def test_a_group_that_never_read_has_lost_nothing(clients: list[Client]) -> None:
    skipped: list[SkippedRecords] = []
    member, client = source(clients, on_skipped=skipped.append)
    client.answers = [Answer(OFFSET_INVALID)]
    client.batches = [[GONE]]
    read(member)
    read(member)
    assert skipped == []
    assert client.starts == [OFFSET_BEGINNING, OFFSET_BEGINNING]


def test_a_partition_given_up_is_not_skipped(clients: list[Client]) -> None:
    skipped: list[SkippedRecords] = []
    member, client = source(clients, on_skipped=skipped.append)
    client.batches = [[GONE]]
    read(member)
    client.callbacks["on_revoke"](client, [Tp("deduped", 0)])
    read(member)
    assert skipped == []
    assert client.starts == [100]


def test_a_tail_whose_offset_is_gone_follows_the_end_again(clients: list[Client]) -> None:
    tail, client = KafkaTail(SETTINGS, "deduped"), clients[-1]
    client.batches = [[Message(899)], [], [GONE], [Message(19)]]
    assert [record.offset for record in tail.poll(0)] == [899]
    client.watermarks = (0, 20)
    with capture_logs() as logs:
        assert tail.poll(0) == []
    assert [log["event"] for log in logs] == ["tail_lost"]
    assert [record.offset for record in tail.poll(0)] == [19]
    assert client.starts == [899, 19]


def test_no_consumer_is_opened_elsewhere() -> None:
    root = Path(__file__).parents[4]
    sources = [*root.glob("src/**/*.py"), *root.glob("services/**/*.py")]
    is_opened = re.compile(r"(open_client\(\s*|\b)(Deserializing)?Consumer(,\s*\{|\(\s*\{)")
    opened = [path.name for path in sources if is_opened.search(path.read_text())]
    assert opened == ["consumer.py"]
