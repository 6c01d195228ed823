import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_settings import SettingsConfigDict

from txfeatures import streaming
from txfeatures.errors import FatalError
from txfeatures.metrics import Metrics
from txfeatures.model import OutgoingRecord, Partial, Record
from txfeatures.runtime import Runtime
from txfeatures.settings import KafkaServiceSettings, KafkaSettings, ServiceSettings
from txfeatures.streaming import StructTable
from txfeatures.topics import MAX_RECORD_BYTES

ONE = Partial(states={"a": 1})
TWO = Partial(states={"a": 2**63 - 1}, late=2)

YEAR_9999_MS = 253_402_300_799_999


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A Kafka record as Faust hands it over."""

    timestamp: float = 0.0
    headers: Any = None
    topic: str = "raw"
    partition: int = 1
    offset: int = 2
    key: bytes | None = b"k"
    value: bytes | None = b"v"


@dataclass(slots=True)
class Channel:
    """A topic that stores what it is sent as Faust's Kafka driver would."""

    acknowledged: list[Record] = field(default_factory=list)
    in_flight: int = 0

    async def send(self, *, timestamp: float, **sent: Any) -> Awaitable[None]:
        assert self.in_flight == 0
        self.in_flight += 1

        async def acknowledge() -> None:
            self.in_flight -= 1
            timestamp_ms = int(timestamp * 1000.0)
            self.acknowledged.append(Record(topic="", offset=0, timestamp_ms=timestamp_ms, **sent))

        return acknowledge()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> faust.App:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return streaming.create_app("dedup", KafkaSettings(bootstrap_servers="a:1,b:2"), partitions=4)


def sent(timestamp_ms: int, **fields: Any) -> OutgoingRecord:
    return OutgoingRecord(
        topic="raw", key=b"k", value=b"v", timestamp_ms=timestamp_ms, partition=0, **fields
    )


def test_a_part_of_a_table_reads_back_what_was_written() -> None:
    table = StructTable[Partial]({}, Partial, "3/")
    table[60] = ONE
    table[60] = TWO
    table[-120] = ONE
    assert dict(table) == {60: TWO, -120: ONE}
    assert (len(table), 60 in table, 61 in table) == (2, True, False)
    del table[60]
    assert list(table) == [-120]
    with pytest.raises(KeyError):
        table[60]


def test_the_parts_of_one_table_do_not_see_each_other() -> None:
    store: dict[bytes, bytes] = {}
    first, eleventh = StructTable(store, Partial, "1/"), StructTable(store, Partial, "11/")
    first[60], eleventh[120] = ONE, TWO
    assert (dict(first), dict(eleventh)) == ({60: ONE}, {120: TWO})
    assert len(store) == 2


def test_a_key_that_is_no_number_is_not_in_a_table() -> None:
    table = StructTable[Partial]({b"60": b"{}"}, Partial)
    assert "60" not in table  # type: ignore[comparison-overlap]
    assert 60 in table


def test_applying_a_decision_writes_what_changed_and_deletes_what_it_forgot() -> None:
    state = {1: ONE, 2: ONE}
    streaming.apply(state, {2: TWO, 3: TWO}, [1, 9])
    assert state == {2: TWO, 3: TWO}


@given(timestamp_ms=st.integers(0, YEAR_9999_MS))
@example(timestamp_ms=1001)  # 1.001 * 1000 is less than 1001
def test_a_records_clock_passes_through_faust_to_the_millisecond(timestamp_ms: int) -> None:
    channel = Channel()
    asyncio.run(streaming.send({"raw": channel}, [sent(timestamp_ms)], metrics=Metrics("dedup")))
    [record] = channel.acknowledged
    assert record.timestamp_ms == timestamp_ms
    # aiokafka tells Faust seconds, as a float
    assert streaming.to_record(Message(timestamp=timestamp_ms / 1000.0)).timestamp_ms == (
        timestamp_ms
    )


def test_a_record_is_sent_with_all_it_has_and_acknowledged_before_the_next() -> None:
    channels = {"raw": Channel(), "late": Channel()}
    late = OutgoingRecord(topic="late", key=None, value=None, timestamp_ms=9)
    records = [sent(5, headers=(("a", b"1"),)), late, sent(6)]
    metrics = Metrics("dedup")
    asyncio.run(streaming.send(channels, records, metrics=metrics))
    counted = metrics.registry.get_sample_value(
        "txf_dedup_records_total", {"direction": "out", "topic": "raw"}
    )
    assert counted == 2
    assert [r.timestamp_ms for r in channels["raw"].acknowledged] == [5, 6]
    assert channels["raw"].acknowledged[0].headers == [("a", b"1")]
    assert channels["late"].acknowledged[0].partition is None
    assert channels["raw"].in_flight == channels["late"].in_flight == 0


def test_an_agent_that_raises_ends_the_process_before_anything_is_acknowledged() -> None:
    program = """
from txfeatures.streaming import crash_only
try:
    with crash_only():
        raise OSError("refused")
finally:
    print("acknowledged")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (run.returncode, "acknowledged" in run.stdout) == (1, False)
    assert "agent_crashed" in run.stdout + run.stderr


@pytest.mark.parametrize(
    ("headers", "expected"),
    [(None, ()), ({"a": b"1"}, (("a", b"1"),)), ([("a", b"1"), ("a", b"2")],) * 2],
)
def test_a_message_becomes_a_record_with_its_headers_in_order(
    headers: Mapping[str, bytes] | list[tuple[str, bytes]] | None,
    expected: tuple[tuple[str, bytes], ...],
) -> None:
    assert streaming.to_record(Message(timestamp=1.5, headers=headers)) == Record(
        topic="raw",
        partition=1,
        offset=2,
        key=b"k",
        value=b"v",
        timestamp_ms=1500,
        headers=tuple(expected),
    )


def test_an_app_takes_the_largest_record_and_leaves_making_topics_to_bootstrap(
    app: faust.App,
) -> None:
    conf = app.conf
    assert conf.id == "dedup"
    assert [str(url) for url in conf.broker] == ["aiokafka://a:1", "aiokafka://b:2"]
    assert conf.consumer_max_fetch_size == conf.producer_max_request_size == MAX_RECORD_BYTES
    assert conf.topic_partitions == 4
    assert not conf.topic_allow_declare
    assert not conf.web_enabled


def test_topics_and_tables_pass_bytes(app: faust.App) -> None:
    channel = streaming.topic(app, "raw", "feed")
    assert list(channel.topics) == ["raw", "feed"]
    assert (channel.key_type, channel.value_type) == (bytes, bytes)
    table = streaming.table(app, "seen", partitions=4)
    assert table.changelog_topic.get_topic_name() == "dedup-seen-changelog"
    assert (table.key_serializer, table.value_serializer) == ("raw", "raw")


@pytest.mark.parametrize(("stop", "expected"), [(0, 0), (3, 3), (None, 1), ("no", 1)])
def test_a_worker_ends_with_the_exit_code_of_faust(
    app: faust.App, monkeypatch: pytest.MonkeyPatch, stop: object, expected: int
) -> None:
    runtime = Runtime(metrics=Metrics("dedup"))
    waiting: list[list[str]] = []

    class Worker:
        def __init__(self, app: faust.App, **_: Any) -> None:
            self.app = app

        def execute_from_commandline(self) -> None:
            waiting.append(runtime.health.missing())
            asyncio.run(self.app.on_rebalance_complete.send())
            waiting.append(runtime.health.missing())
            raise SystemExit(stop)

    monkeypatch.setattr(faust, "Worker", Worker)
    settings = ServiceSettings(http_host="127.0.0.1", http_port=0)
    code = streaming.run_worker(app, settings=settings, runtime=runtime, ready="partitions")
    assert code == expected
    assert waiting == [["partitions"], []]


def test_a_worker_that_just_returns_has_failed(
    app: faust.App, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Worker:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def execute_from_commandline(self) -> None: ...

    monkeypatch.setattr(faust, "Worker", Worker)
    settings = ServiceSettings(http_host="127.0.0.1", http_port=0)
    runtime = Runtime(metrics=Metrics("dedup"))
    assert streaming.run_worker(app, settings=settings, runtime=runtime, ready="x") == 1


class AService(KafkaServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")


def an_app(settings: AService, *, partitions: int, metrics: Metrics) -> faust.App:
    assert metrics.collectors()
    return streaming.create_app("dedup", settings.kafka, partitions=partitions)


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "configure_logging", lambda *_, **__: None)


def test_a_worker_runs_as_wide_as_its_topic_and_its_exit_code_is_told(
    monkeypatch: pytest.MonkeyPatch, quiet: None
) -> None:
    def topic_partitions(_: KafkaSettings, topic: str) -> int:
        assert topic == "raw"
        return 7

    def run_worker(app: faust.App, *, ready: str, **_: Any) -> int:
        assert app.conf.topic_partitions == 7
        assert ready == "partitions of raw"
        return 42

    monkeypatch.setattr(streaming, "topic_partitions", topic_partitions)
    monkeypatch.setattr(streaming, "run_worker", run_worker)
    assert streaming.serve("dedup", AService, an_app, keyed_by="raw") == 42


def test_a_wrong_setting_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_DEDUP_HTTP_PORT", "-1")
    assert streaming.serve("dedup", AService, an_app, keyed_by="raw") == 1
    assert capsys.readouterr().err == (
        "dedup: TXF_DEDUP_HTTP_PORT='-1': Input should be greater than or equal to 0\n"
    )


def test_a_missing_topic_is_one_sentence_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quiet: None
) -> None:
    def no_topic(*_: object) -> int:
        raise FatalError("Kafka has no topic; run bootstrap first")

    monkeypatch.setattr(streaming, "topic_partitions", no_topic)
    assert streaming.serve("dedup", AService, an_app, keyed_by="raw") == 1
    assert capsys.readouterr().err == "dedup: Kafka has no topic; run bootstrap first\n"
