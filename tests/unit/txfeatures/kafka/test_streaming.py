import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import faust
import faust_microbatch as microbatch
import pytest
from faust_microbatch import Config, DictStore
from pydantic_settings import SettingsConfigDict
from structlog.testing import capture_logs

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Partial, Record
from txfeatures.kafka import streaming
from txfeatures.kafka.streaming import MetricsSensor, StructTable
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import (
    KafkaSettings,
    StatefulServiceSettings,
    environment_names,
    load,
)
from txfeatures.process.shell import Program
from txfeatures.process.tracing import Tracing

ONE = Partial(states={"a": 1})
TWO = Partial(states={"a": 2**63 - 1}, late=2)


class AService(StatefulServiceSettings):
    model_config = SettingsConfigDict(env_prefix="TXF_DEDUP_")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment_names(AService):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("dedup")


@pytest.fixture
def app(metrics: Metrics) -> microbatch.App:
    return streaming.create_app("dedup", load(AService), metrics=metrics)


def record(offset: int, value: bytes = b"v") -> Record:
    return Record(
        topic="raw",
        partition=3,
        offset=offset,
        key=b"k",
        value=value,
        timestamp_ms=5,
        headers=(("traceparent", b"00"),),
    )


def counted(metrics: Metrics, noun: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"txf_dedup_{noun}", labels)


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


def test_what_the_transport_tells_is_counted(metrics: Metrics) -> None:
    sensor = MetricsSensor(metrics)
    for _ in range(2):
        sensor.on_read("raw", 3, 100)
        sensor.on_sent("deduped", 2, 60)
        sensor.on_commit(1, 0.25)
        sensor.on_abort("fenced")
        sensor.on_lag("raw", 1, 40)
    flow = [
        counted(metrics, f"{noun}_total", direction=direction, topic=topic)
        for direction, topic in (("in", "raw"), ("out", "deduped"))
        for noun in ("records", "bytes")
    ]
    assert flow == [6, 200, 4, 120]
    outcomes = [counted(metrics, "transactions_total", outcome=o) for o in ("committed", "aborted")]
    assert outcomes == [2, 2]
    assert counted(metrics, "commit_duration_seconds_sum") == 0.5
    assert counted(metrics, "lag_records", topic="raw", partition="1") == 40


def test_rebalances_and_recoveries_are_counted_and_told(metrics: Metrics) -> None:
    sensor = MetricsSensor(metrics)
    with capture_logs() as logs:
        sensor.on_rebalance(4, 0.5)
        sensor.on_recovery(1000, 2.5)
    assert counted(metrics, "rebalance_pause_seconds_sum") == 0.5
    assert counted(metrics, "recovery_seconds") == 2.5
    assert [(log["event"], log.get("partitions"), log.get("records")) for log in logs] == [
        ("rebalanced", 4, None),
        ("tables_recovered", None, 1000),
    ]


def test_records_that_were_gone_before_they_were_read_are_counted_and_logged(
    metrics: Metrics,
) -> None:
    assert counted(metrics, "skipped_records_total", topic="raw") == 0
    with capture_logs() as logs:
        MetricsSensor(metrics).on_skip(
            microbatch.Skip(
                topic="raw",
                partition=3,
                next_offset=7,
                first_offset=20,
                records=13,
                reason="expired",
            )
        )
    assert counted(metrics, "skipped_records_total", topic="raw") == 13
    assert logs == [
        {
            "event": "records_skipped",
            "log_level": "error",
            "topic": "raw",
            "partition": 3,
            "committed_offset": 7,
            "first_offset": 20,
            "records": 13,
            "reason": "expired",
        }
    ]


def test_every_hook_of_the_transport_is_counted() -> None:
    hooks = [name for name in vars(microbatch.Sensor) if name.startswith("on_")]
    assert hooks
    assert [name for name in hooks if name not in vars(MetricsSensor)] == []


def test_an_app_is_told_what_the_service_was(
    monkeypatch: pytest.MonkeyPatch, metrics: Metrics
) -> None:
    monkeypatch.setenv("TXF_KAFKA_BOOTSTRAP_SERVERS", "a:1,b:2")
    monkeypatch.setenv("TXF_DEDUP_INSTANCE_ID", "dedup-0")
    monkeypatch.setenv("TXF_DEDUP_COMMIT_INTERVAL_S", "0.5")
    monkeypatch.setenv("TXF_KAFKA_MAX_RECORD_BYTES", "2000000")
    app = streaming.create_app("dedup", load(AService), metrics=metrics)
    assert app.microbatch == Config(
        group="dedup",
        bootstrap_servers="a:1,b:2",
        instance_id="dedup-0",
        commit_interval_s=0.5,
        max_record_bytes=2_000_000,
        librdkafka=app.microbatch.librdkafka,  # its own test is in test_kafka_security.py
    )


def test_an_app_counts_and_leaves_making_topics_to_bootstrap(app: microbatch.App) -> None:
    assert isinstance(app.sensor, MetricsSensor)
    assert app.conf.id == "dedup"
    assert app.effects == microbatch.own_process()  # a service is alone in its process
    assert not app.conf.topic_allow_declare
    assert not app.conf.web_enabled


def test_a_table_is_as_wide_as_told_with_a_store_for_each_partition(app: microbatch.App) -> None:
    class Small(DictStore):
        pass

    table = streaming.table(app, "seen", partitions=4, store=Small)
    assert table.changelog_topic.get_topic_name() == "dedup-seen-changelog"
    assert table.partitions == 4
    stores = [restoration.store for restoration in table.renew(range(9))]
    assert [type(store) for store in stores] == [Small] * 4
    assert len({id(store) for store in stores}) == 4


def test_a_table_holds_bytes_unless_told_otherwise(app: microbatch.App) -> None:
    [restoration] = streaming.table(app, "seen", partitions=1).renew([0])
    assert type(restoration.store) is DictStore


class Topics:
    """Kafka's topics, and the admin client that knows them."""

    def __init__(self, partitions: dict[str, int]) -> None:
        self._partitions = partitions

    def __call__(self, _: KafkaSettings) -> "Topics":
        return self

    def partitions(self) -> dict[str, int]:
        return self._partitions


class FakeWorker:
    """Faust's worker, which assigns partitions and ends."""

    def __init__(self, app: faust.App, stop: object) -> None:
        self._app = app
        self._stop = stop

    def execute_from_commandline(self) -> None:
        asyncio.run(self._app.on_rebalance_complete.send())
        raise SystemExit(self._stop)


def an_app(settings: AService, *, partitions: int, metrics: Metrics, tracing: Tracing) -> faust.App:
    app = streaming.create_app("dedup", settings, metrics=metrics)
    streaming.table(app, "seen", partitions=partitions)
    return app


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(metrics=Metrics("dedup"))


@pytest.fixture
def program(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[object], Program]]:
    """Return the program of an app whose worker stops with a given code."""
    monkeypatch.setattr(streaming, "KafkaAdmin", Topics({"raw": 7}))
    with ExitStack() as stack:

        def make(stop: object) -> Program:
            monkeypatch.setattr(streaming, "Worker", lambda app: FakeWorker(app, stop))
            return streaming.worker(an_app, AService(), runtime, stack, keyed_by="raw")

        yield make


@pytest.mark.parametrize(("stop", "expected"), [(0, 0), (3, 3), (None, 1), ("no", 1)])
def test_a_worker_ends_with_the_exit_code_of_faust(
    program: Callable[[object], Program], stop: object, expected: int
) -> None:
    assert program(stop)() == expected


def test_a_worker_is_ready_when_its_partitions_are_assigned(
    program: Callable[[object], Program], runtime: Runtime
) -> None:
    run = program(0)
    assert runtime.health.missing() == ["partitions of raw"]
    run()
    assert runtime.health.missing() == []


def test_a_worker_that_just_returns_has_failed(
    program: Callable[[object], Program], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = program(0)
    monkeypatch.setattr(FakeWorker, "execute_from_commandline", lambda _: None)
    assert run() == 1


def test_a_worker_stopped_during_the_start_does_not_run(
    program: Callable[[object], Program], runtime: Runtime
) -> None:
    run = program(3)
    runtime.stop.set()
    assert run() == 0


def made_with(
    topics: dict[str, int], runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> list[faust.App]:
    """Return the apps that a worker keyed by raw makes when these topics are there."""
    made: list[faust.App] = []

    def create_app(settings: AService, **arguments: Any) -> faust.App:
        made.append(an_app(settings, **arguments))
        return made[0]

    monkeypatch.setattr(streaming, "KafkaAdmin", Topics(topics))
    with ExitStack() as stack:
        streaming.worker(create_app, AService(), runtime, stack, keyed_by="raw")
    return made


class Spans(Tracing):
    def __init__(self) -> None:
        self.found: list[tuple[str, float, float]] = []

    def past(self, name: str, *, start_s: float, end_s: float) -> None:
        self.found.append((name, start_s, end_s))


def test_a_worker_counts_and_traces_its_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = Spans()
    runtime = Runtime(metrics=Metrics("dedup"), clock=ManualClock(now=100.0), tracing=spans)
    [app] = made_with({"raw": 7}, runtime, monkeypatch)
    assert isinstance(app, microbatch.App)
    app.sensor.on_commit(3, 0.25)
    assert spans.found == [("commit", 99.75, 100.0)]
    assert counted(runtime.metrics, "transactions_total", outcome="committed") == 1
    assert counted(runtime.metrics, "commit_duration_seconds_sum") == 0.25


def test_the_tables_are_as_wide_as_the_topic(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = {"raw": 7, "deduped": 7, "dedup-seen-changelog": 7, "feed": 1, "not-ours": 2}
    [app] = made_with(topics, runtime, monkeypatch)
    assert app.tables["seen"].partitions == 7


@pytest.mark.parametrize("name", ["raw", "deduped", "dedup-seen-changelog"])
def test_a_topic_that_has_more_partitions_than_others_is_refused_with_the_way_out(
    name: str, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = dict.fromkeys(["raw", "deduped", "dedup-seen-changelog"], 4) | {"feed": 1, name: 6}
    others = ", ".join(sorted(topics.keys() - {"feed", name}))
    with pytest.raises(FatalError) as refused:
        made_with(topics, runtime, monkeypatch)
    assert f"give {others} 6 partitions too" in str(refused.value)
    assert "TXF_BOOTSTRAP_PARTITIONS=6" in str(refused.value)


@pytest.mark.parametrize(
    "error",
    [
        FatalError("Kafka has no topic raw; run `txfeatures bootstrap` first"),
        TransientError("Kafka denies Describe on topic raw"),
    ],
)
def test_a_topic_that_is_missing_or_hidden_is_refused(
    error: Exception, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look_up(_: KafkaSettings, topic: str) -> int:
        assert topic == "raw"
        raise error

    monkeypatch.setattr(streaming, "topic_partitions", look_up)
    with pytest.raises(type(error), match="topic raw"):
        made_with({"deduped": 7}, runtime, monkeypatch)
