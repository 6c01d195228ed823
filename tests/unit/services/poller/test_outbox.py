import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.support.memory_sink import MemorySink, ids
from txfeatures.domain.errors import FatalError, InvalidMessageError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.wire import error_headers, tick
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_poller.outbox import Outbox
from txfeatures_poller.spool import Spool, SpoolError


def transaction(name: str) -> OutgoingRecord:
    return OutgoingRecord(topic="raw", key=name.encode(), value=b"1234", timestamp_ms=5)


A, B, C, D = map(transaction, "ABCD")


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(metrics=Metrics("poller"), clock=ManualClock())


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.sqlite") as spool:
        yield spool


@pytest.fixture
def outbox(sink: MemorySink, spool: Spool, runtime: Runtime) -> Outbox:
    return Outbox(sink=sink, spool=spool, runtime=runtime)


def sample(runtime: Runtime, name: str, **labels: str) -> float | None:
    return runtime.metrics.registry.get_sample_value(f"txf_poller_{name}", labels)


def test_while_kafka_answers_records_are_sent_at_once(outbox: Outbox, sink: MemorySink) -> None:
    outbox.put([A, B])
    assert sink.records == [A, B]
    assert outbox.is_empty


def test_nothing_is_no_batch(outbox: Outbox, sink: MemorySink) -> None:
    outbox.put([])
    assert sink.calls == []


def test_what_was_not_acknowledged_waits_and_nothing_overtakes_it(
    outbox: Outbox, sink: MemorySink
) -> None:
    sink.room = 1
    outbox.put([A, B])
    sink.room = None
    outbox.put([C])
    assert ids(sink.records) == ["A"]
    outbox.drain()
    outbox.drain()
    outbox.put([D])
    assert ids(sink.records) == ["A", "B", "C", "D"]


def test_a_drain_that_fails_keeps_what_is_left_of_the_batch(
    outbox: Outbox, sink: MemorySink
) -> None:
    sink.room = 0
    outbox.put([A, B])
    outbox.put([C])
    for room in (1, 0, None):
        sink.room = room
        outbox.drain()
    outbox.drain()
    assert ids(sink.records) == ["A", "B", "C"]
    assert outbox.is_empty


def test_a_drain_with_nothing_to_do_waits(outbox: Outbox, runtime: Runtime) -> None:
    before_s = runtime.clock.monotonic()
    outbox.drain()
    assert runtime.clock.monotonic() > before_s


def test_what_a_former_process_left_is_sent_before_anything_newer(
    sink: MemorySink, spool: Spool, runtime: Runtime
) -> None:
    spool.append([A])
    outbox = Outbox(sink=sink, spool=spool, runtime=runtime)
    outbox.put([B])
    outbox.drain()
    outbox.drain()
    assert ids(sink.records) == ["A", "B"]


def test_a_producer_beyond_repair_ends_the_process_but_not_the_records(
    outbox: Outbox, sink: MemorySink, spool: Spool, runtime: Runtime
) -> None:
    sink.is_broken = True
    with pytest.raises(FatalError):
        outbox.put([A])
    with pytest.raises(FatalError):
        outbox.drain()
    healthy = MemorySink()
    Outbox(sink=healthy, spool=spool, runtime=runtime).drain()
    assert ids(healthy.records) == ["A"]


def test_partitions_are_asked_for_once_and_only_when_kafka_is_thought_to_answer(
    outbox: Outbox, sink: MemorySink
) -> None:
    sink.room = 0
    assert outbox.partitions() is None
    outbox.put([A])
    sink.room = None
    assert outbox.partitions() is None
    outbox.drain()
    assert outbox.partitions() == 2
    sink.room = 0
    assert outbox.partitions() == 2


def test_metrics_count_what_was_acknowledged(
    outbox: Outbox, sink: MemorySink, runtime: Runtime
) -> None:
    poison = OutgoingRecord(
        topic="raw.dlq",
        key=None,
        value=b"123",
        timestamp_ms=5,
        headers=error_headers(InvalidMessageError("bad_fee", "negative")),
    )
    sink.room = 1
    outbox.put([A, B, poison, tick("raw", 0, 5)])
    assert sample(runtime, "transactions_published_total") == 1
    assert (sample(runtime, "spool_bytes") or 0) > 0
    sink.room = None
    outbox.drain()
    assert sample(runtime, "transactions_published_total") == 2
    assert sample(runtime, "spool_bytes") == 0
    assert sample(runtime, "dlq_records_total", reason="bad_fee") == 1
    assert sample(runtime, "records_total", direction="out", topic="raw") == 3
    assert sample(runtime, "bytes_total", direction="out", topic="raw") == 10
    assert sample(runtime, "records_total", direction="out", topic="raw.dlq") == 1


def test_an_outage_is_logged_when_it_begins_and_when_it_is_over(
    outbox: Outbox, sink: MemorySink
) -> None:
    sink.room = 0
    with capture_logs() as logs:
        outbox.put([A])
        outbox.put([B])
        for _ in range(3):
            outbox.drain()
        sink.room = None
        outbox.drain()
        outbox.drain()
    assert [entry["event"] for entry in logs] == ["kafka_refused", "spool_drained"]


class SlowSink(MemorySink):
    """Kafka that takes its time: a publish ends when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        assert self.go_on.wait(30.0)
        super().publish(records)


@pytest.fixture
def slow(spool: Spool, runtime: Runtime) -> Iterator[tuple[Outbox, SlowSink]]:
    sink = SlowSink()
    yield Outbox(sink=sink, spool=spool, runtime=runtime, patience_s=0.01), sink
    sink.go_on.set()


def test_a_poll_does_not_wait_for_a_slow_kafka_and_nothing_is_sent_twice(
    slow: tuple[Outbox, SlowSink],
) -> None:
    outbox, sink = slow
    outbox.put([A, B])
    outbox.put([C])
    assert not outbox.is_empty
    sink.go_on.set()
    outbox.drain()
    outbox.drain()
    outbox.put([D])
    while not outbox.is_empty:
        outbox.drain()
    assert ids(sink.records) == ["A", "B", "C", "D"]


def test_what_a_slow_kafka_refuses_in_the_end_is_sent_again_in_its_place(
    slow: tuple[Outbox, SlowSink],
) -> None:
    outbox, sink = slow
    outbox.put([A, B])
    outbox.put([C])
    sink.room = 1
    sink.go_on.set()
    outbox.drain()
    assert ids(sink.records) == ["A"]
    sink.room = None
    outbox.drain()
    outbox.drain()
    assert ids(sink.records) == ["A", "B", "C"]


def test_a_slow_kafka_and_a_full_disk_leave_no_batch_behind(
    tmp_path: Path, runtime: Runtime
) -> None:
    class FullDisk(Spool):
        def append(self, records: Sequence[OutgoingRecord]) -> None:
            raise SpoolError("no space left")

    sink = SlowSink()
    with FullDisk(tmp_path / "full.sqlite") as spool:
        outbox = Outbox(sink=sink, spool=spool, runtime=runtime, patience_s=0.01)
        with pytest.raises(SpoolError):
            outbox.put([A])
        assert outbox.is_empty
        sink.go_on.set()
