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
from txfeatures_poller.delivery import Delivery
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
def delivery(sink: MemorySink, spool: Spool, runtime: Runtime) -> Delivery:
    return Delivery(sink=sink, spool=spool, runtime=runtime)


def sample(runtime: Runtime, name: str, **labels: str) -> float | None:
    return runtime.metrics.registry.get_sample_value(f"txf_poller_{name}", labels)


def test_while_kafka_answers_records_are_sent_at_once(delivery: Delivery, sink: MemorySink) -> None:
    delivery.put([A, B])
    assert sink.records == [A, B]
    assert delivery.is_empty


def test_nothing_is_no_batch(delivery: Delivery, sink: MemorySink) -> None:
    delivery.put([])
    assert sink.calls == []


def test_what_was_not_acknowledged_waits_and_nothing_overtakes_it(
    delivery: Delivery, sink: MemorySink
) -> None:
    sink.room = 1
    delivery.put([A, B])
    sink.room = None
    delivery.put([C])
    assert ids(sink.records) == ["A"]
    delivery.drain()
    delivery.drain()
    delivery.put([D])
    assert ids(sink.records) == ["A", "B", "C", "D"]


def test_a_drain_that_fails_keeps_what_is_left_of_the_batch(
    delivery: Delivery, sink: MemorySink
) -> None:
    sink.room = 0
    delivery.put([A, B])
    delivery.put([C])
    for room in (1, 0, None):
        sink.room = room
        delivery.drain()
    delivery.drain()
    assert ids(sink.records) == ["A", "B", "C"]
    assert delivery.is_empty


def test_a_drain_with_nothing_to_do_waits(delivery: Delivery, runtime: Runtime) -> None:
    before_s = runtime.clock.monotonic()
    delivery.drain()
    assert runtime.clock.monotonic() > before_s


def test_what_a_former_process_left_is_sent_before_anything_newer(
    sink: MemorySink, spool: Spool, runtime: Runtime
) -> None:
    spool.append([A])
    delivery = Delivery(sink=sink, spool=spool, runtime=runtime)
    delivery.put([B])
    delivery.drain()
    delivery.drain()
    assert ids(sink.records) == ["A", "B"]


def test_a_producer_beyond_repair_ends_the_process_but_not_the_records(
    delivery: Delivery, sink: MemorySink, spool: Spool, runtime: Runtime
) -> None:
    sink.is_broken = True
    with pytest.raises(FatalError):
        delivery.put([A])
    with pytest.raises(FatalError):
        delivery.drain()
    healthy = MemorySink()
    Delivery(sink=healthy, spool=spool, runtime=runtime).drain()
    assert ids(healthy.records) == ["A"]


def test_partitions_are_asked_for_once_and_only_when_kafka_is_thought_to_answer(
    delivery: Delivery, sink: MemorySink
) -> None:
    sink.room = 0
    assert delivery.partitions() is None
    delivery.put([A])
    sink.room = None
    assert delivery.partitions() is None
    delivery.drain()
    assert delivery.partitions() == 2
    sink.room = 0
    assert delivery.partitions() == 2


def test_metrics_count_what_was_acknowledged(
    delivery: Delivery, sink: MemorySink, runtime: Runtime
) -> None:
    poison = OutgoingRecord(
        topic="raw.dlq",
        key=None,
        value=b"123",
        timestamp_ms=5,
        headers=error_headers(InvalidMessageError("bad_fee", "negative")),
    )
    sink.room = 1
    delivery.put([A, B, poison, tick("raw", 0, 5)])
    assert sample(runtime, "transactions_published_total") == 1
    assert (sample(runtime, "spool_bytes") or 0) > 0
    sink.room = None
    delivery.drain()
    assert sample(runtime, "transactions_published_total") == 2
    assert sample(runtime, "spool_bytes") == 0
    assert sample(runtime, "dlq_records_total", reason="bad_fee") == 1
    assert sample(runtime, "records_total", direction="out", topic="raw") == 3
    assert sample(runtime, "bytes_total", direction="out", topic="raw") == 10
    assert sample(runtime, "records_total", direction="out", topic="raw.dlq") == 1


def test_an_outage_is_logged_when_it_begins_and_when_it_is_over(
    delivery: Delivery, sink: MemorySink
) -> None:
    sink.room = 0
    with capture_logs() as logs:
        delivery.put([A])
        delivery.put([B])
        for _ in range(3):
            delivery.drain()
        sink.room = None
        delivery.drain()
        delivery.drain()
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
def slow(spool: Spool, runtime: Runtime) -> Iterator[tuple[Delivery, SlowSink]]:
    sink = SlowSink()
    yield Delivery(sink=sink, spool=spool, runtime=runtime, patience_s=0.01), sink
    sink.go_on.set()


def test_a_poll_does_not_wait_for_a_slow_kafka_and_nothing_is_sent_twice(
    slow: tuple[Delivery, SlowSink],
) -> None:
    delivery, sink = slow
    delivery.put([A, B])
    delivery.put([C])
    assert not delivery.is_empty
    sink.go_on.set()
    delivery.drain()
    delivery.drain()
    delivery.put([D])
    while not delivery.is_empty:
        delivery.drain()
    assert ids(sink.records) == ["A", "B", "C", "D"]


def test_what_a_slow_kafka_refuses_in_the_end_is_sent_again_in_its_place(
    slow: tuple[Delivery, SlowSink],
) -> None:
    delivery, sink = slow
    delivery.put([A, B])
    delivery.put([C])
    sink.room = 1
    sink.go_on.set()
    delivery.drain()
    assert ids(sink.records) == ["A"]
    sink.room = None
    delivery.drain()
    delivery.drain()
    assert ids(sink.records) == ["A", "B", "C"]


def test_a_slow_kafka_and_a_full_disk_leave_no_batch_behind(
    tmp_path: Path, runtime: Runtime
) -> None:
    class FullDisk(Spool):
        def append(self, records: Sequence[OutgoingRecord]) -> None:
            raise SpoolError("no space left")

    sink = SlowSink()
    with FullDisk(tmp_path / "full.sqlite") as spool:
        delivery = Delivery(sink=sink, spool=spool, runtime=runtime, patience_s=0.01)
        with pytest.raises(SpoolError):
            delivery.put([A])
        assert delivery.is_empty
        sink.go_on.set()
