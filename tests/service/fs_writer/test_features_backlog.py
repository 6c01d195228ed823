import tracemalloc
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.service.fs_writer.fakes import DeadLetters
from tests.service.fs_writer.features import Start
from tests.support.declared import FEATURES
from tests.support.rows import row_record
from txfeatures.domain.model import Record
from txfeatures.feature_store.writer import Outcome
from txfeatures.kafka.source import Partition
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_fs_writer.features import build_features
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.logic import Put
from txfeatures_fs_writer.ports import OnPartitions, OnSkipped
from txfeatures_fs_writer.settings import Settings


def test_a_backlog_of_many_minutes_goes_by_25_to_a_call(start: Start) -> None:
    records = [row_record(i, i, 1, final=True) for i in range(100)]
    service = start(*records)
    service.step()
    assert [len(call) for call in service.store.calls] == [25] * 4
    assert service.log.committed == {("aggregated", 0): 100}
    assert service.metric("rows_total", kind="final") == 100


def test_few_rows_go_alone(start: Start) -> None:
    service = start(*(row_record(i, i, 1) for i in range(4)), concurrency=4)
    service.step()
    assert [len(call) for call in service.store.calls] == [1] * 4


def test_no_more_calls_are_under_way_than_allowed(start: Start) -> None:
    service = start(*(row_record(i, i, 1) for i in range(200)), concurrency=3)
    service.step()
    assert service.store.most_at_a_time <= 3


class Forgetful:
    """A store that takes everything and keeps nothing."""

    def put(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        return [None] * len(puts)


class Backlog:
    """A topic without end, made while it is read."""

    def __init__(self) -> None:
        self.next = 0

    def open(
        self,
        *,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
        on_skipped: OnSkipped | None = None,
    ) -> "Backlog":
        return self

    def poll(self, *, max_records: int, timeout_s: float) -> list[Record]:
        first, self.next = self.next, self.next + max_records
        return [row_record(offset, offset, 1, final=True) for offset in range(first, self.next)]

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        assert next_offsets == {("aggregated", 0): self.next}


def test_memory_does_not_grow_with_the_backlog(pool: ThreadPoolExecutor) -> None:
    backlog, runtime = Backlog(), Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
    step = build_features(
        Settings(max_records=100),
        open_source=backlog.open,
        dead_letters=DeadLetters(),
        store=Forgetful(),
        pool=pool,
        freshness=Freshness(runtime.metrics),
        runtime=runtime,
        features=FEATURES,
    )
    step()
    tracemalloc.start()
    try:
        peaks = []
        for steps in (3, 30):
            tracemalloc.reset_peak()
            for _ in range(steps):
                step()
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
