from collections.abc import Mapping

import pytest

from tests.service.fs_writer.features import THREADS, THROTTLED, Start, first_times
from tests.support.rows import MINUTE_S, row_record
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_name
from txfeatures_fs_writer.ports import StoreUnavailableError


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


def test_rows_that_a_call_left_undone_are_sent_again_and_no_other(start: Start) -> None:
    undone = StoreUnavailableError("UnprocessedEntries", "left undone")
    records = [row_record(i, i, 1, final=True) for i in range(60)]
    service = start(*records, refuse=first_times(5, undone))
    service.step()
    assert sorted(v["tx_minute"] for v in service.store.taken) == [
        minute_name(MINUTE_S + 60 * i) for i in range(60)
    ]
    assert service.log.committed == {("aggregated", 0): 60}


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
