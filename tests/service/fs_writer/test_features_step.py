import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.fs_writer.freshness import Freshness
from services.fs_writer.logic import Put
from services.fs_writer.main import build_features
from services.fs_writer.ports import Answer, OnPartitions, StoreUnavailableError
from services.fs_writer.settings import Settings
from tests.service.fs_writer.fakes import DeadLetters, FeatureStore, Log, Refuse
from txfeatures.clock import ManualClock
from txfeatures.errors import FatalError, InvalidMessageError, TransientError
from txfeatures.features import EMPTY, minute_name, row
from txfeatures.kafka_source import Partition
from txfeatures.metrics import Metrics
from txfeatures.model import Record
from txfeatures.runtime import Runtime, Step
from txfeatures.wire import encode_row, header

MINUTE_S = 1_729_334_940
THROTTLED = StoreUnavailableError("ThrottlingException", "Feature Store: slow down")
REFUSED = InvalidMessageError("store_refused", "Invalid value for feature avg_fee_1min")

THREADS = 4


def row_record(
    offset: int, minute: int, revision: int, *, final: bool = False, partition: int = 0
) -> Record:
    value = row(
        EMPTY,
        minute_s=MINUTE_S + 60 * minute,
        event_time_ms=(MINUTE_S + 60 * minute + revision) * 1000,
        revision=revision,
        is_final=final,
        gaps=0,
    )
    return Record(
        topic="aggregated",
        partition=partition,
        offset=offset,
        key=str(value["tx_minute"]).encode(),
        value=encode_row(value),
        timestamp_ms=(MINUTE_S + 60 * minute + revision) * 1000,
    )


def garbage(offset: int) -> Record:
    return Record(
        topic="aggregated", partition=0, offset=offset, key=b"k", value=b"\xff{", timestamp_ms=5
    )


@dataclass(slots=True, kw_only=True)
class Service:
    log: Log
    store: FeatureStore
    dead_letters: DeadLetters
    runtime: Runtime
    step: Step

    def metric(self, noun: str, **labels: str) -> float | None:
        name = f"txf_fs_writer_{noun}"
        return self.runtime.metrics.registry.get_sample_value(name, labels)


Start = Callable[..., Service]


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


@pytest.fixture
def start(pool: ThreadPoolExecutor) -> Start:
    def start(*records: Record, refuse: Refuse = lambda _: None, **changes: int) -> Service:
        log, store, dead_letters = Log(records), FeatureStore(refuse), DeadLetters()
        runtime = Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
        step = build_features(
            Settings.model_validate(changes),
            open_source=log.open,
            dead_letters=dead_letters,
            store=store,
            pool=pool,
            freshness=Freshness(runtime.metrics),
            runtime=runtime,
        )
        return Service(log=log, store=store, dead_letters=dead_letters, runtime=runtime, step=step)

    return start


def first_times(count: int, error: InvalidMessageError | StoreUnavailableError) -> Refuse:
    left = [error] * count
    return lambda _: left.pop() if left else None


def test_rows_reach_the_stores_that_are_theirs_and_are_committed(start: Start) -> None:
    service = start(
        row_record(0, 0, 9, final=True), row_record(1, 1, 1), row_record(0, 2, 1, partition=1)
    )
    service.step()
    assert sorted(service.store.online) == [minute_name(MINUTE_S + 60 * i) for i in range(3)]
    assert [values["revision"] for values in service.store.offline] == ["9"]
    assert service.log.committed == {("aggregated", 0): 2, ("aggregated", 1): 1}


def test_an_empty_poll_commits_nothing(start: Start) -> None:
    service = start()
    service.step()
    assert service.log.commits == []


def test_what_was_put_is_counted(start: Start) -> None:
    service = start(row_record(0, 0, 1), row_record(1, 0, 2), row_record(2, 1, 1, final=True))
    service.step()
    assert service.metric("rows_total", kind="provisional") == 1
    assert service.metric("rows_total", kind="final") == 1
    assert service.metric("superseded_rows_total") == 1
    assert service.metric("records_total", direction="in", topic="aggregated") == 3
    assert service.metric("records_total", direction="out", topic="feature-store") == 2
    assert service.metric("put_duration_seconds_count", store="feature-store") == 2
    assert service.metric("event_time_seconds") == MINUTE_S + 61
    assert service.metric("freshness_seconds") == 0


def test_revisions_of_a_minute_are_put_in_order(start: Start) -> None:
    records = [row_record(i, i % 3, i + 1, final=True) for i in range(60)]
    service = start(*records)
    service.step()
    for minute in range(3):
        name = minute_name(MINUTE_S + 60 * minute)
        revisions = [int(v["revision"]) for v in service.store.taken if v["tx_minute"] == name]
        assert revisions == sorted(revisions)
        assert len(revisions) == 20


def test_a_refusal_for_now_is_tried_again_within_the_step(start: Start) -> None:
    service = start(row_record(0, 0, 1), refuse=first_times(2, THROTTLED))
    service.step()
    assert len(service.store.taken) == 1
    assert service.metric("retries_total", store="feature-store", code="ThrottlingException") == 2
    assert service.log.committed == {("aggregated", 0): 1}
    assert service.runtime.clock.monotonic() == pytest.approx(0.2 + 0.4)


def test_a_store_that_stays_down_commits_nothing_and_is_left_to_the_runtime(start: Start) -> None:
    service = start(row_record(0, 0, 1), refuse=first_times(4, THROTTLED))
    with pytest.raises(TransientError, match="slow down"):
        service.step()
    assert service.log.commits == []
    service.step()
    assert service.log.committed == {("aggregated", 0): 1}
    assert service.log.member.polls == 1  # the topic is not read while a batch is lent


def test_rows_that_were_acknowledged_are_not_put_again(start: Start) -> None:
    down = True
    service = start(
        *(row_record(i, i % 10, i + 1, final=True) for i in range(40)),
        refuse=lambda v: THROTTLED if down and v["tx_minute"].endswith(":54:00") else None,
    )
    with pytest.raises(TransientError):
        service.step()
    down = False
    service.step()
    assert sorted(int(v["revision"]) for v in service.store.taken) == list(range(1, 41))
    assert service.metric("rows_total", kind="final") == 40


def test_a_later_revision_waits_for_the_one_before_it(start: Start) -> None:
    service = start(
        row_record(0, 0, 1, final=True),
        row_record(1, 0, 2, final=True),
        refuse=first_times(1, THROTTLED),
    )
    service.step()
    assert [v["revision"] for v in service.store.tried] == ["1", "1", "2"]


def test_one_refusal_ends_the_round_for_all_minutes(start: Start) -> None:
    records = [row_record(i, i, 1, final=True) for i in range(100)]
    service = start(*records, refuse=lambda _: THROTTLED)
    with pytest.raises(TransientError):
        service.step()
    assert 3 <= len(service.store.calls) <= 3 * THREADS  # a call for each thread and round


def test_a_stop_ends_the_waiting(start: Start) -> None:
    service = start(row_record(0, 0, 1), refuse=lambda _: THROTTLED)
    service.runtime.stop.set()
    with pytest.raises(TransientError):
        service.step()
    assert len(service.store.calls) == 1


def test_a_row_refused_for_good_goes_to_the_dlq_with_the_words_of_the_store(start: Start) -> None:
    record = row_record(0, 0, 1)
    service = start(record, row_record(1, 1, 1), refuse=first_times(1, REFUSED), max_records=1)
    service.step()
    (letter,) = service.dead_letters.records
    assert (letter.topic, letter.key, letter.value) == ("aggregated.dlq", record.key, record.value)
    assert header(letter.headers, "txf-reason") == b"store_refused"
    assert header(letter.headers, "__streams.errors.message") == REFUSED.detail.encode()
    assert service.log.committed == {("aggregated", 0): 1}
    assert service.metric("dlq_records_total", reason="store_refused") == 1
    assert service.metric("records_total", direction="out", topic="aggregated.dlq") == 1
    service.step()
    assert len(service.store.taken) == 1


def test_a_record_that_is_no_row_goes_to_the_dlq_and_the_others_are_put(start: Start) -> None:
    service = start(row_record(0, 0, 1), garbage(1), row_record(2, 1, 1))
    service.step()
    assert [letter.value for letter in service.dead_letters.records] == [b"\xff{"]
    assert len(service.store.taken) == 2
    assert service.log.committed == {("aggregated", 0): 3}


def test_nothing_is_committed_before_the_dead_letter_is_acknowledged(start: Start) -> None:
    service = start(garbage(0), row_record(1, 0, 1))
    service.dead_letters.refusals = [TransientError("no answer in time")]
    with pytest.raises(TransientError):
        service.step()
    assert service.log.commits == []
    service.step()
    assert len(service.dead_letters.records) == 1
    assert len(service.store.calls) == 1
    assert service.log.committed == {("aggregated", 0): 2}


def test_too_many_dead_letters_in_a_row_stop_the_service_before_they_are_buried(
    start: Start,
) -> None:
    service = start(*(garbage(i) for i in range(5)), max_records=2, dead_letter_limit=3)
    service.step()
    with pytest.raises(FatalError, match="more than 3 records of aggregated in a row"):
        service.step()
    assert len(service.dead_letters.records) == 2
    assert service.log.committed == {("aggregated", 0): 2}


def test_a_good_row_in_between_starts_the_count_anew(start: Start) -> None:
    records = [garbage(i) if i % 4 else row_record(i, i, 1) for i in range(40)]
    service = start(*records, max_records=3, dead_letter_limit=3)
    for _ in range(14):
        service.step()
    assert len(service.dead_letters.records) == 30
    assert service.log.committed == {("aggregated", 0): 40}


def test_a_failed_commit_is_made_good_without_putting_again(start: Start) -> None:
    service = start(row_record(0, 0, 1))
    service.log.refusals = [TransientError("the coordinator moved")]
    with pytest.raises(TransientError):
        service.step()
    service.step()
    assert len(service.store.calls) == 1
    assert service.log.committed == {("aggregated", 0): 1}


def test_offsets_of_a_lost_partition_are_not_committed(start: Start) -> None:
    service = start(row_record(0, 0, 1), row_record(0, 1, 1, partition=1))
    service.log.refusals = [TransientError("this member was thrown out")]
    with pytest.raises(TransientError):
        service.step()
    service.log.committed[("aggregated", 0)] = 7  # the one who had it meanwhile went on
    service.log.member.lose_and_regain({("aggregated", 0)})
    service.step()
    assert service.log.commits == [{("aggregated", 1): 1}]


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


def test_one_bad_row_of_a_call_is_buried_and_the_others_are_taken(start: Start) -> None:
    bad = minute_name(MINUTE_S + 60 * 7)
    records = [row_record(i, i, 1, final=True) for i in range(60)]
    service = start(*records, refuse=lambda v: REFUSED if v["tx_minute"] == bad else None)
    service.step()
    assert len(service.store.taken) == 59
    assert [letter.key for letter in service.dead_letters.records] == [bad.encode()]
    assert service.log.committed == {("aggregated", 0): 60}


def test_rows_that_a_call_left_undone_are_sent_again_and_no_other(start: Start) -> None:
    undone = StoreUnavailableError("UnprocessedEntries", "left undone")
    records = [row_record(i, i, 1, final=True) for i in range(60)]
    service = start(*records, refuse=first_times(5, undone))
    service.step()
    assert sorted(v["tx_minute"] for v in service.store.taken) == [
        minute_name(MINUTE_S + 60 * i) for i in range(60)
    ]
    assert service.log.committed == {("aggregated", 0): 60}


def test_throttling_slows_the_calls_down_and_they_recover(start: Start) -> None:
    down = 3
    sizes: list[int] = []

    def refuse(_: Mapping[str, str]) -> StoreUnavailableError | None:
        nonlocal down
        if down:
            down -= 1
            return THROTTLED
        return None

    records = [row_record(i, i % 4, i + 1, final=True) for i in range(40)]
    service = start(*records, refuse=refuse, concurrency=4)
    service.step()
    sizes = [len(call) for call in service.store.calls]
    assert sizes[0] == 1  # four at a time, alone
    assert 4 in sizes  # one call at a time has all four minutes
    assert sizes[-1] == 1  # and four at a time again
    assert len(service.store.taken) == 40


def test_a_store_that_lets_something_through_now_and_then_is_not_given_up(start: Start) -> None:
    calls = 0

    def refuse(_: Mapping[str, str]) -> StoreUnavailableError | None:
        nonlocal calls
        calls += 1
        return THROTTLED if calls % 3 else None

    service = start(*(row_record(i, 0, i + 1, final=True) for i in range(10)), refuse=refuse)
    service.step()
    assert service.log.committed == {("aggregated", 0): 10}


def test_a_step_that_is_refused_for_too_long_is_left_to_the_runtime(start: Start) -> None:
    calls = 0

    def refuse(_: Mapping[str, str]) -> StoreUnavailableError | None:
        nonlocal calls
        calls += 1
        return THROTTLED if calls % 3 else None

    service = start(
        *(row_record(i, 0, i + 1, final=True) for i in range(200)), refuse=refuse, concurrency=1
    )
    with pytest.raises(TransientError):
        service.step()
    assert 60 < service.runtime.clock.monotonic() < 70
    assert service.log.commits == []


class Forgetful:
    """A store that takes everything and keeps nothing."""

    def put(self, puts: Sequence[Put]) -> Sequence[Answer]:
        return [None] * len(puts)


class Backlog:
    """A topic without end, made while it is read."""

    def __init__(self) -> None:
        self.next = 0

    def open(self, *, on_assigned: OnPartitions, on_revoked: OnPartitions) -> "Backlog":
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


histories = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 30), st.booleans()), min_size=1, max_size=40
)


@given(histories=histories, faults=st.lists(st.booleans(), max_size=30), data=st.data())
@settings(deadline=None, max_examples=60)
def test_crashes_and_faults_lose_no_final_row_and_leave_the_newest_online(
    pool: ThreadPoolExecutor,
    histories: list[tuple[int, int, bool]],
    faults: list[bool],
    data: st.DataObject,
) -> None:
    latest: dict[int, int] = {}
    records, finals = [], set()
    for offset, (minute, rise, wants_final) in enumerate(histories):
        latest[minute] = latest.get(minute, 0) + rise
        is_final = wants_final or (minute, 0) in finals  # a correction is final, too
        if is_final:
            finals |= {(minute, 0), (minute, latest[minute])}
        records.append(row_record(offset, minute, latest[minute], final=is_final))
    log, dead_letters = Log(records), DeadLetters()
    store = FeatureStore(lambda _: THROTTLED if faults and faults.pop() else None)
    end = len(records)
    while log.committed.get(("aggregated", 0), 0) < end:
        runtime = Runtime(metrics=Metrics("fs_writer"), clock=ManualClock())
        step = build_features(
            Settings(max_records=data.draw(st.integers(1, 50))),
            open_source=log.open,
            dead_letters=dead_letters,
            store=store,
            pool=pool,
            freshness=Freshness(runtime.metrics),
            runtime=runtime,
        )
        try:
            for _ in range(data.draw(st.integers(1, 5))):
                step()
        except TransientError:
            continue  # and so it crashed: another member starts at the commit
    online = {name: int(values["revision"]) for name, values in store.online.items()}
    assert online == {minute_name(MINUTE_S + 60 * m): newest for m, newest in latest.items()}
    offline = {(v["tx_minute"], int(v["revision"])) for v in store.offline}
    assert offline == {(minute_name(MINUTE_S + 60 * m), r) for m, r in finals if r}


def test_the_feed_clock_that_reading_has_reached_is_told(start: Start) -> None:
    service = start(row_record(0, 0, 1), row_record(1, 0, 2))
    service.step()
    assert service.metric("feed_time_seconds", topic="aggregated") == MINUTE_S + 2
