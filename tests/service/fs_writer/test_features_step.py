from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.fs_writer.fakes import DeadLetters, FeatureStore, Log
from tests.service.fs_writer.features import THROTTLED, Start, garbage, member
from tests.support.rows import MINUTE_S, row_record
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import Headers
from txfeatures.domain.wire import fetched_at
from txfeatures.process.clock import ManualClock
from txfeatures_fs_writer.features_step import ATTEMPTS
from txfeatures_fs_writer.ports import StoreUnavailableError
from txfeatures_fs_writer.settings import Settings


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


def polled(at_s: float) -> Headers:
    return fetched_at(round(at_s * 1000))


def test_every_row_of_a_batch_has_an_age_once_the_store_has_it_or_a_newer_one(
    start: Start,
) -> None:
    now_s = ManualClock().now()
    service = start(
        row_record(0, 0, 1, headers=polled(now_s - 7)),  # superseded by the next
        row_record(1, 0, 2, headers=polled(now_s - 2)),
        row_record(2, 1, 1, headers=polled(now_s - 1), final=True),
        replace(garbage(3), headers=polled(now_s - 100)),
    )
    service.step()
    assert service.metric("row_age_seconds_sum") == pytest.approx(10)
    assert service.metric("row_age_seconds_count") == 3


def test_the_age_of_a_row_ends_when_it_is_acknowledged_not_when_its_batch_is(
    start: Start,
) -> None:
    now_s = ManualClock().now()
    refusals = {minute_name(MINUTE_S + 60): [THROTTLED] * ATTEMPTS}

    def refuse(values: Mapping[str, str]) -> StoreUnavailableError | None:
        left = refusals.get(values["tx_minute"])
        return left.pop() if left else None

    rows = [row_record(i, i, 1, headers=polled(now_s - 1)) for i in range(2)]
    service = start(*rows, refuse=refuse)
    with pytest.raises(StoreUnavailableError):
        service.step()
    assert service.metric("row_age_seconds_sum") == pytest.approx(1)
    waited_s = service.runtime.clock.now() - now_s
    assert waited_s > 0  # between two tries
    service.step()
    assert service.metric("row_age_seconds_sum") == pytest.approx(2 + waited_s)
    assert service.metric("row_age_seconds_count") == 2


def test_revisions_of_a_minute_are_put_in_order(start: Start) -> None:
    records = [row_record(i, i % 3, i + 1, final=True) for i in range(60)]
    service = start(*records)
    service.step()
    for minute in range(3):
        name = minute_name(MINUTE_S + 60 * minute)
        revisions = [int(v["revision"]) for v in service.store.taken if v["tx_minute"] == name]
        assert revisions == sorted(revisions)
        assert len(revisions) == 20


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
        step = member(
            Settings(max_records=data.draw(st.integers(1, 50))),
            log=log,
            store=store,
            dead_letters=dead_letters,
            pool=pool,
        ).step
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
