import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process.clock import ManualClock
from txfeatures_api import rows as rows_module
from txfeatures_api.rows import Rows
from txfeatures_api.shared_reads import SharedReads

T = TypeVar("T")
MakeRow = Callable[..., Row]

MINUTE_S = minute_start_s("2024-10-19 10:49:00")
FEED_TIME_MS = (MINUTE_S + 25) * 1000


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


@pytest.fixture
def rows(store: Any, clock: ManualClock) -> Rows:
    reads = SharedReads(cache_s=0, clock=clock, threads=1)
    return Rows(store, reads=reads, lookback_minutes=180)


def latest(rows: Rows, *, only_final: bool = False, feed_time_ms: int = FEED_TIME_MS) -> Row | None:
    return run(rows.latest(feed_time_ms, only_final=only_final))


def test_there_is_no_latest_row_in_an_empty_store(rows: Rows, store: Any) -> None:
    assert latest(rows) is None
    assert sum(len(look) for look in store.looks) == 182


def test_the_latest_row_is_usually_found_in_one_short_look(
    rows: Rows, store: Any, make_row: MakeRow
) -> None:
    store.put(make_row("2024-10-19 10:48:00"), make_row())
    assert latest(rows) == make_row()
    assert [len(look) for look in store.looks] == [10]


def test_the_latest_row_is_looked_for_as_far_back_as_the_lookback(
    rows: Rows, store: Any, make_row: MakeRow
) -> None:
    oldest, too_old = make_row("2024-10-19 07:49:00"), make_row("2024-10-19 07:48:00")
    store.put(too_old)
    assert latest(rows) is None
    store.put(oldest)
    assert latest(rows) == oldest


def test_a_minute_just_past_the_feeds_clock_counts(
    rows: Rows, store: Any, make_row: MakeRow
) -> None:
    ahead = make_row("2024-10-19 10:50:00")
    store.put(make_row(), ahead)
    assert latest(rows) == ahead


def test_final_rows_have_a_latest_of_their_own(rows: Rows, store: Any, make_row: MakeRow) -> None:
    final = make_row("2024-10-19 10:47:00", is_final=True)
    store.put(make_row(), final)
    assert latest(rows) == make_row()
    assert latest(rows, only_final=True) == final


@pytest.mark.parametrize("only_final", [False, True])
def test_the_latest_never_goes_back_in_minute_or_revision(
    only_final: bool, rows: Rows, store: Any, make_row: MakeRow
) -> None:
    newest = make_row(revision=3, is_final=True)
    store.put(newest)
    assert latest(rows, only_final=only_final) == newest
    store.put(make_row(revision=2))
    assert latest(rows, only_final=only_final) == newest
    store.rows.clear()
    assert latest(rows, only_final=only_final) == newest
    store.put(make_row("2024-10-19 10:48:00", revision=9, is_final=True))
    assert latest(rows, only_final=only_final) == newest


def test_the_latest_row_outlives_the_lookback(rows: Rows, store: Any, make_row: MakeRow) -> None:
    store.put(make_row())
    assert latest(rows) == make_row()
    assert latest(rows, feed_time_ms=FEED_TIME_MS + 86_400_000) == make_row()


def test_a_range_is_in_order_and_has_no_rows_for_holes(
    rows: Rows, store: Any, make_row: MakeRow
) -> None:
    first, last = make_row("2024-10-19 10:46:00"), make_row("2024-10-19 10:48:00")
    store.put(last, first)
    assert run(rows.between(MINUTE_S - 180, MINUTE_S)) == [first, last]


def test_a_revision_never_goes_back_whichever_way_it_was_read(
    rows: Rows, store: Any, make_row: MakeRow
) -> None:
    newer, older = make_row(revision=5), make_row(revision=4)
    store.put(newer)
    assert run(rows.between(MINUTE_S, MINUTE_S)) == [newer]
    store.put(older)
    assert run(rows.between(MINUTE_S - 60, MINUTE_S)) == [newer]
    assert latest(rows) == newer


def test_what_is_remembered_is_bounded(
    rows: Rows, store: Any, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "REMEMBERED_MINUTES", 5)
    store.put(*(make_row(minute_name(MINUTE_S + 60 * number)) for number in range(20)))
    run(rows.between(MINUTE_S, MINUTE_S + 60 * 20))
    assert len(rows._served) == 5
