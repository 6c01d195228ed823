import io
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.fs_writer.fakes import TOPIC, Archive, Log
from txfeatures.archive.skips import Skip
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import Record
from txfeatures.domain.wire import TICK_HEADER
from txfeatures.kafka.skips import SkippedRecords
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step
from txfeatures_fs_writer import archive_step
from txfeatures_fs_writer.archive import build_archive
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.ports import StoreUnavailableError
from txfeatures_fs_writer.settings import Settings

START_S = 1_729_335_000  # 2024-10-19 10:50:00, where a bucket begins
SLOW_DOWN = StoreUnavailableError("SlowDown", "S3: slow down")
NAME = f"archive/deduped/date=2024-10-19/hour={{}}/deduped.{TOPIC}-{{}}-{{:020d}}.parquet"


def transaction(offset: int, after_s: float, *, partition: int = 0) -> Record:
    number = f"{partition:032x}{offset:032x}"
    value = {"hash": number, "time": START_S + int(after_s), "fee": offset, "rbf": True}
    return Record(
        topic="deduped",
        partition=partition,
        offset=offset,
        key=number.encode(),
        value=msgspec.json.encode(value),
        timestamp_ms=int((START_S + after_s) * 1000),
    )


def tick(offset: int, after_s: float, *, partition: int = 0) -> Record:
    return Record(
        topic="deduped",
        partition=partition,
        offset=offset,
        key=None,
        value=None,
        timestamp_ms=int((START_S + after_s) * 1000),
        headers=((TICK_HEADER, b"1"),),
    )


@dataclass(slots=True, kw_only=True)
class Service:
    log: Log
    archive: Archive
    runtime: Runtime
    step: Step
    topics: list[str]
    clock: ManualClock

    def metric(self, noun: str, **labels: str) -> float | None:
        name = f"txf_fs_writer_{noun}"
        return self.runtime.metrics.registry.get_sample_value(name, labels)


def start(log: Log, archive: Archive | None = None, *, chosen: Settings | None = None) -> Service:
    archive = archive or Archive()
    clock = ManualClock()
    runtime = Runtime(metrics=Metrics("fs_writer"), clock=clock)
    topics = [TOPIC]
    step = build_archive(
        chosen or Settings(),
        open_source=log.open,
        topic_id=lambda: topics[-1],
        archive=archive,
        freshness=Freshness(runtime.metrics),
        runtime=runtime,
    )
    return Service(log=log, archive=archive, runtime=runtime, step=step, topics=topics, clock=clock)


def offsets(body: bytes) -> list[int]:
    found: list[int] = pq.read_table(io.BytesIO(body))["topic_offset"].to_pylist()
    return found


def test_a_finished_object_is_stored_and_committed() -> None:
    service = start(Log([transaction(0, 1), tick(1, 2), transaction(2, 3), tick(3, 300)]))
    service.step()
    ((name, body),) = service.archive.objects.items()
    assert name == NAME.format("10", 0, 0)
    assert offsets(body) == [0, 2]
    assert service.log.committed == {("deduped", 0): 3}


def test_nothing_is_committed_while_an_object_is_unfinished() -> None:
    service = start(Log([transaction(0, 1), transaction(1, 299)]))
    service.step()
    assert service.archive.objects == {}
    assert service.log.commits == []


def test_a_stretch_of_ticks_is_committed_without_an_object() -> None:
    service = start(Log([tick(0, 1), tick(1, 300)]))
    service.step()
    assert service.archive.objects == {}
    assert service.log.committed == {("deduped", 0): 1}


def test_partitions_are_cut_apart() -> None:
    service = start(
        Log(
            [
                transaction(0, 1),
                transaction(0, 2, partition=1),
                transaction(1, 3),
                tick(1, 301, partition=1),
            ]
        )
    )
    service.step()
    assert list(service.archive.objects) == [NAME.format("10", 1, 0)]
    assert service.log.committed == {("deduped", 1): 1}


def test_what_was_archived_is_counted() -> None:
    service = start(Log([transaction(0, 1), transaction(1, 2), tick(2, 300)]))
    service.step()
    (body,) = service.archive.objects.values()
    assert service.metric("archive_objects_total") == 1
    assert service.metric("archived_transactions_total") == 2
    assert service.metric("records_total", direction="in", topic="deduped") == 3
    assert service.metric("records_total", direction="out", topic="s3") == 2
    assert service.metric("bytes_total", direction="out", topic="s3") == len(body)
    assert service.metric("put_duration_seconds_count", store="s3") == 1


def test_when_s3_refuses_for_now_the_object_is_put_again_before_more_is_read() -> None:
    service = start(Log([transaction(0, 1), transaction(1, 300), tick(2, 600)]))
    service.archive.refusals = [SLOW_DOWN, SLOW_DOWN]
    for _ in range(2):
        with pytest.raises(TransientError, match="slow down"):
            service.step()
    assert service.log.commits == []
    service.step()
    assert service.archive.puts == [NAME.format("10", 0, 0), NAME.format("10", 0, 1)]
    assert service.log.member.polls == 1
    assert service.log.committed == {("deduped", 0): 2}
    assert service.metric("retries_total", store="s3", code="SlowDown") == 2


def test_a_missing_bucket_stops_the_service_with_nothing_committed() -> None:
    service = start(Log([transaction(0, 1), tick(1, 300)]))
    service.archive.refusals = [FatalError("there is no bucket")]
    with pytest.raises(FatalError):
        service.step()
    assert service.log.commits == []


def test_a_failed_commit_is_made_good_without_storing_again() -> None:
    service = start(Log([transaction(0, 1), tick(1, 300)]))
    service.log.refusals = [TransientError("the coordinator moved")]
    with pytest.raises(TransientError):
        service.step()
    service.step()
    assert len(service.archive.puts) == 1
    assert service.log.committed == {("deduped", 0): 1}


def test_a_lost_partition_is_begun_anew_when_it_comes_back() -> None:
    log = Log([transaction(0, 1), transaction(1, 2)])
    service = start(log)
    service.step()
    log.member.lose_and_regain({("deduped", 0)})
    service.step()
    log.records.append(tick(2, 300))
    service.step()
    (body,) = service.archive.objects.values()
    assert offsets(body) == [0, 1]


def test_offsets_of_a_lost_partition_are_not_committed() -> None:
    service = start(Log([transaction(0, 1), tick(1, 300)]))
    service.log.refusals = [TransientError("this member was thrown out")]
    with pytest.raises(TransientError):
        service.step()
    service.log.committed[("deduped", 0)] = 7  # the one who had it meanwhile went on
    service.log.member.lose_and_regain({("deduped", 0)})
    service.step()
    assert service.log.commits == []


def test_a_repeat_overwrites_the_same_object_with_the_same_bytes() -> None:
    records = [transaction(0, 1), transaction(1, 299), tick(2, 300)]
    first, again = start(Log(records)), start(Log(records))
    first.step()
    again.step()
    assert first.archive.objects == again.archive.objects


def test_what_an_earlier_release_stored_but_did_not_commit_is_not_stored_twice() -> None:
    service = start(Log([transaction(n, 300 * n) for n in range(4)]))
    service.archive.before = [
        NAME.format("10", 0, offset).replace(f".{TOPIC}", "") for offset in range(2)
    ]
    service.step()
    assert service.archive.puts == [NAME.format("11", 0, 2)]
    assert service.log.committed == {("deduped", 0): 3}


def test_objects_of_an_earlier_release_are_looked_for_only_where_reading_begins() -> None:
    service = start(Log([transaction(n, 300 * n) for n in range(4)]))
    service.archive.before = [NAME.format("10", 0, 1).replace(f".{TOPIC}", "")]
    service.step()
    assert len(service.archive.puts) == 3


def test_nothing_of_a_topic_made_anew_is_stored_or_committed_under_the_old_name() -> None:
    service = start(Log([transaction(0, 1)]))
    service.step()
    service.topics.append("AAAAAAAAAAAAAAAAAAAAAg")
    service.log.records.append(transaction(1, 300))
    with pytest.raises(FatalError, match="deduped was made anew"):
        service.step()
    assert service.archive.objects == {}
    assert service.log.commits == []


def test_a_topic_made_anew_is_noticed_although_nothing_comes() -> None:
    service = start(Log([]))
    service.topics.append("AAAAAAAAAAAAAAAAAAAAAg")
    service.topics.reverse()
    service.step()
    service.topics.reverse()
    service.step()
    service.clock.advance(archive_step.VERIFY_AFTER_S)
    with pytest.raises(FatalError, match="deduped was made anew"):
        service.step()


SKIPPED = SkippedRecords(
    topic="deduped",
    partition=0,
    committed_offset=3,
    first_offset=9,
    records=6,
    reason="expired",
)


def test_skipped_records_are_noted_before_anything_behind_them_is_read() -> None:
    service = start(Log([transaction(9, 1)]))
    service.log.member.skipped = [SKIPPED]
    service.archive.refusals = [SLOW_DOWN]
    with pytest.raises(TransientError, match="slow down"):
        service.step()
    assert service.archive.notes == []
    service.step()
    assert service.archive.notes == [
        Skip(
            topic=TOPIC,
            partition=0,
            committed_offset=3,
            first_offset=9,
            records=6,
            reason="expired",
        )
    ]
    assert service.log.member.skipped == []


def test_a_topic_made_anew_has_not_lost_what_its_predecessor_had() -> None:
    service = start(Log([]))
    service.step()
    service.topics.append("AAAAAAAAAAAAAAAAAAAAAg")
    service.log.member.skipped = [SKIPPED]
    with pytest.raises(FatalError, match="deduped was made anew"):
        service.step()
    assert service.archive.notes == []


def test_an_offset_of_a_deleted_topic_is_not_committed_to_the_one_made_anew() -> None:
    service = start(Log([transaction(0, 1), tick(1, 300)]))
    service.log.refusals = [TransientError("the topic is gone")]
    with pytest.raises(TransientError):
        service.step()
    service.topics.append("AAAAAAAAAAAAAAAAAAAAAg")
    with pytest.raises(FatalError, match="deduped was made anew"):
        service.step()
    assert service.log.commits == []


def test_the_topic_of_objects_is_known_before_their_records_are_read() -> None:
    service = start(Log([transaction(0, 1), transaction(1, 300)]))
    service.topics[:] = []
    with pytest.raises(IndexError):
        service.step()
    assert service.log.member.polls == 0


events = st.lists(
    st.tuples(st.booleans(), st.integers(0, 2), st.integers(-5, 60), st.integers(1, 2)),
    max_size=60,
)
SMALL = Settings(archive_cut_s=60, archive_max_rows=5, archive_max_bytes=500)


def topic(found: list[tuple[bool, int, int, int]]) -> list[Record]:
    records, after_s, offsets = [], 0, [0, 0, 0]
    make: Callable[..., Record]
    for is_tick, partition, step_s, skip in found:
        after_s += step_s
        make = tick if is_tick else transaction
        records.append(make(offsets[partition], after_s, partition=partition))
        offsets[partition] += skip
    return records


@given(found=events, data=st.data())
@settings(deadline=None, max_examples=80)
def test_batches_crashes_and_rebalances_leave_the_same_objects(
    found: list[tuple[bool, int, int, int]], data: st.DataObject
) -> None:
    records = topic(found)
    whole = start(Log(records), chosen=SMALL)
    whole.step()

    log, archive = Log(records), Archive()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive_step, "MAX_RECORDS", data.draw(st.integers(1, 20), "batch"))
        for _ in range(data.draw(st.integers(0, 4), "crashes")):
            service = start(log, archive, chosen=SMALL)
            archive.refusals = [SLOW_DOWN] * data.draw(st.integers(0, 1), "refusals")
            try:
                for _ in range(data.draw(st.integers(0, 4), "steps")):
                    service.step()
                    if data.draw(st.booleans(), "rebalance"):
                        log.member.lose_and_regain({("deduped", 0)})
            except TransientError:
                continue
        archive.refusals.clear()
        last = start(log, archive, chosen=SMALL)
        for _ in range(len(records) + 1):
            last.step()
    assert archive.objects == whole.archive.objects
    assert log.committed == whole.log.committed


def test_the_feed_clock_that_reading_has_reached_is_told() -> None:
    service = start(Log([transaction(0, 1), tick(1, 2)]))
    service.step()
    assert service.metric("feed_time_seconds", topic="deduped") == START_S + 2
