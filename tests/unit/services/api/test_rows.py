from collections.abc import Callable, Sequence
from typing import Any

import pytest

from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process.clock import ManualClock
from txfeatures_api import rows as rows_module
from txfeatures_api.rows import FINAL_S, OPEN_S, Rows, chunks
from txfeatures_api.served import ServedRow

MakeRow = Callable[..., Row]

MINUTE_S = minute_start_s("2024-10-19 10:49:00")


@pytest.fixture
def news() -> list[tuple[int, int]]:
    return []


@pytest.fixture
def rows(clock: ManualClock, news: list[Any]) -> Rows:
    def on_news(fresh: Sequence[ServedRow]) -> None:
        news.extend((row.minute_s, row.revision) for row in fresh)

    return Rows(clock=clock, on_news=on_news)


def known(rows: Rows, *minutes: int) -> list[Row]:
    return [each.row for each in rows.known(minutes)]


@pytest.mark.parametrize("only_final", [False, True])
def test_the_latest_never_goes_back_in_minute_or_revision(
    only_final: bool, rows: Rows, make_row: MakeRow
) -> None:
    newest = make_row(revision=3, is_final=True)
    for later in (newest, make_row(revision=2, is_final=True), None):
        rows.receive([MINUTE_S], [] if later is None else [later])
    rows.receive([MINUTE_S - 60], [make_row("2024-10-19 10:48:00", revision=9, is_final=True)])
    latest = rows.latest(only_final=only_final)
    assert latest is not None
    assert latest.row == newest
    assert known(rows, MINUTE_S) == [newest]


def test_a_provisional_row_is_no_latest_final_row(rows: Rows, make_row: MakeRow) -> None:
    rows.receive([MINUTE_S], [make_row()])
    assert rows.latest() is not None
    assert rows.latest(only_final=True) is None


def test_a_final_minute_is_remembered_and_a_hole_only_for_a_moment(
    rows: Rows, clock: ManualClock, make_row: MakeRow
) -> None:
    rows.receive([MINUTE_S, MINUTE_S + 60], [make_row(is_final=True)])
    assert rows.unknown([MINUTE_S, MINUTE_S + 60]) == []
    clock.advance(OPEN_S)
    assert rows.unknown([MINUTE_S, MINUTE_S + 60]) == [MINUTE_S + 60]
    clock.advance(FINAL_S - OPEN_S)
    assert rows.unknown([MINUTE_S]) == [MINUTE_S]


def test_a_correction_is_owed_until_the_store_has_it(
    rows: Rows, make_row: MakeRow, news: list[Any]
) -> None:
    first, correction = make_row(is_final=True), make_row(revision=2, is_final=True)
    rows.receive([MINUTE_S], [first])
    rows.announce(MINUTE_S, 1)
    assert rows.owed(9) == []
    rows.announce(MINUTE_S, 2)
    rows.receive([MINUTE_S], [first])
    assert (rows.owed(9), known(rows, MINUTE_S)) == ([MINUTE_S], [first])
    rows.receive([MINUTE_S], [correction])
    assert (rows.owed(9), known(rows, MINUTE_S)) == ([], [correction])
    assert news == [(MINUTE_S, 2)]


def test_what_is_owed_takes_turns(rows: Rows) -> None:
    for number in range(4):
        rows.announce(MINUTE_S + 60 * number, 1)
    assert rows.owed(3) == [MINUTE_S, MINUTE_S + 60, MINUTE_S + 120]
    assert rows.owed(3) == [MINUTE_S + 180, MINUTE_S, MINUTE_S + 60]


def test_old_minutes_that_a_range_reads_are_no_news(
    rows: Rows, make_row: MakeRow, news: list[Any]
) -> None:
    rows.receive([MINUTE_S], [make_row()], watched_from_s=MINUTE_S)
    rows.receive([MINUTE_S - 60], [make_row("2024-10-19 10:48:00")])
    assert news == []
    rows.receive([MINUTE_S + 60], [make_row("2024-10-19 10:50:00")])
    assert news == [(MINUTE_S + 60, 1)]


def test_what_is_remembered_is_bounded(
    rows: Rows, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "REMEMBERED_MINUTES", 5)
    minutes = [MINUTE_S + 60 * number for number in range(20)]
    rows.receive(minutes, [make_row(minute_name(minute_s)) for minute_s in minutes])
    assert len(known(rows, *minutes)) == 5


def test_blocks_are_aligned_so_that_ranges_share_them() -> None:
    minutes = range(MINUTE_S, MINUTE_S + 60 * 150, 60)
    for block in chunks(minutes, 100):
        assert (block.start % 6000, len(block)) == (0, 100)
    held = {minute_s for block in chunks(minutes, 100) for minute_s in block}
    assert held.issuperset(minutes)
