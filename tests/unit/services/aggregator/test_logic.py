import json
from collections.abc import Sequence

import pytest

from tests.support import declared
from tests.support.declared import DEFAULT
from txfeatures.domain.features import INTEGRAL_MAX, minute_name
from txfeatures.domain.model import Partial, Record, Transaction
from txfeatures.domain.rules import AggregatorRules
from txfeatures.domain.wire import TICK_HEADER
from txfeatures_aggregator.logic import FoldOutcome, Progress, fold

START_S = 1_729_296_000
"""2024-10-19 00:00:00 UTC: the start of a minute."""

DAY_S = 24 * 3600


def tx(at_s: float, time: int | None = None, *, fee: int = 1, offset: int = 0) -> Record:
    """Return a transaction polled ``at_s`` after the start, of that time unless told otherwise."""
    time = int(START_S + at_s) if time is None else time
    value = {"hash": f"{offset:064x}", "time": time, "fee": fee}
    return raw(at_s, json.dumps(value).encode(), offset=offset)


def raw(at_s: float, value: bytes | None, *, offset: int = 0) -> Record:
    return Record(
        topic="deduped",
        partition=1,
        offset=offset,
        key=b"k",
        value=value,
        timestamp_ms=round((START_S + at_s) * 1000),
    )


def tick(at_s: float) -> Record:
    return Record(
        topic="deduped",
        partition=1,
        offset=0,
        key=None,
        value=b"",
        timestamp_ms=round((START_S + at_s) * 1000),
        headers=((TICK_HEADER, b"1"),),
    )


def run(
    records: Sequence[Record],
    *,
    rules: AggregatorRules = AggregatorRules(),  # noqa: B008
    progress: Progress = Progress(),  # noqa: B008
    partials: dict[int, Partial] | None = None,
) -> FoldOutcome:
    return fold(
        progress,
        partials or {},
        records,
        partition=1,
        partitions=4,
        rules=rules,
        declaration=DEFAULT,
    )


def watermark_s(*records: Record) -> int:
    """Return the watermark after ``records``, less the start."""
    progress, second_s = run(records).progress, records[-1].timestamp_ms // 1000
    found = AggregatorRules().watermark_s(
        second_s, counted_s=progress.watermark_s, moved_ms=progress.moved_ms
    )
    return found - START_S


def counted(outcome: FoldOutcome) -> dict[int, tuple[int, int]]:
    """Return minute, counted from the start, -> transactions and how many of them late."""
    return {
        (minute_s - START_S) // 60: (partial.states["total_nb_trx_1min"] or 0, partial.late)
        for minute_s, partial in outcome.changed.items()
    }


def transaction(*, fee: int) -> Transaction:
    return Transaction(hash="0" * 64, time=START_S, fee=fee)


def reasons(outcome: FoldOutcome) -> list[str]:
    return [reason for _, reason in outcome.uncounted]


def test_nothing_read_is_nothing_known() -> None:
    outcome = run([])
    assert outcome.progress == Progress()
    assert not [*outcome.updates, *outcome.uncounted, *outcome.dead, *outcome.changed]


def test_a_transaction_is_folded_into_the_minute_of_its_own_time() -> None:
    outcome = run([tx(61, START_S + 59, fee=5), tx(61, START_S + 60, fee=7), tx(61, fee=8)])
    assert counted(outcome) == {0: (1, 0), 1: (2, 0)}
    assert outcome.changed[START_S + 60].states["total_fee_1min"] == 15


def test_a_fold_goes_on_from_what_was_stored() -> None:
    first = run([tx(0)])
    second = run([tx(1)], progress=first.progress, partials=dict(first.changed))
    assert counted(second) == {0: (2, 0)}


def test_before_its_first_transaction_a_partition_follows_the_feeds_clock() -> None:
    assert watermark_s(tick(0)) == -60
    assert watermark_s(tick(0), tick(7.5)) == -53


def test_the_watermark_stays_behind_the_newest_transaction() -> None:
    assert watermark_s(tx(0), tx(1), tx(9)) == -51


def test_an_older_transaction_does_not_lower_the_watermark() -> None:
    assert watermark_s(tx(9), tx(9, START_S + 3)) == -51


def test_a_newest_transaction_behind_the_feeds_clock_does_not_lower_the_watermark() -> None:
    assert watermark_s(tx(0), tick(100), tx(100.5, START_S + 5)) == 40


def test_a_clock_that_steps_back_does_not_lower_anything() -> None:
    outcome = run([tx(30), tick(30), tx(10, START_S + 5), tick(10)])
    assert [update.feed_time_ms for update in outcome.updates] == [(START_S + 30) * 1000] * 2
    assert [update.watermark_s - START_S for update in outcome.updates] == [-30, -30]


@pytest.mark.parametrize(("skew_s", "expected"), [(120, []), (121, ["future"])])
def test_a_transaction_too_far_ahead_of_the_feed_is_future_and_moves_nothing(
    skew_s: int, expected: list[str]
) -> None:
    outcome = run([tx(0, START_S + skew_s)])
    assert reasons(outcome) == expected
    assert watermark_s(tx(0, START_S + skew_s)) == (-60 if expected else 60)


def test_a_transaction_of_the_year_9999_closes_no_minute() -> None:
    outcome = run([tx(0), tx(0, 253_402_300_799), tx(0, 2**63 - 1), tx(1)])
    assert reasons(outcome) == ["future", "future"]
    assert counted(outcome) == {0: (2, 0)}
    assert outcome.late == 0


def test_a_transaction_after_the_last_year_with_a_date_never_counts() -> None:
    year_10000_s = 253_402_300_800
    at_s = year_10000_s - START_S
    outcome = run([tx(at_s, year_10000_s - 1), tx(at_s, year_10000_s), tick(at_s)])
    assert reasons(outcome) == ["future"]
    [update] = outcome.updates
    assert list(update.minutes) == [year_10000_s - 60]
    assert [minute_name(minute_s) for minute_s in update.minutes] == ["9999-12-31 23:59:00"]


@pytest.mark.parametrize("time", [0, 59, 60])
def test_a_transaction_of_the_year_0_is_late_even_as_the_very_first_record(time: int) -> None:
    outcome = run([tx(0, time)])
    assert reasons(outcome) == ["late"]
    assert outcome.changed == {}


def test_a_partition_that_stands_still_follows_the_feeds_clock_when_idle() -> None:
    assert watermark_s(tx(0), tick(19)) == -60
    assert watermark_s(tx(0), tick(19.999)) == -60
    assert watermark_s(tx(0), tick(20)) == -40
    assert watermark_s(tx(0), tick(20), tick(300.5)) == 240


def test_only_a_newer_transaction_ends_idleness() -> None:
    assert watermark_s(tx(0), tx(15, START_S - 5), tick(21)) == -39
    assert watermark_s(tx(0), tx(15, START_S), tick(21)) == -39
    assert watermark_s(tx(0), tx(15, START_S + 1), tick(21)) == -59


def test_a_closed_minute_takes_late_transactions_and_counts_them() -> None:
    outcome = run([tx(0), tx(120), tx(120, START_S + 59), tx(120, START_S + 60)])
    assert counted(outcome) == {0: (2, 1), 1: (1, 0), 2: (1, 0)}
    assert outcome.late == 1


def test_a_minute_closes_when_the_watermark_reaches_its_end() -> None:
    assert run([tx(119), tx(119, START_S + 59)]).late == 0
    assert run([tx(120), tx(120, START_S + 59)]).late == 1


@pytest.mark.parametrize(("moved_s", "expected"), [(119, []), (120, ["late"])])
def test_after_the_allowed_lateness_a_transaction_does_not_count(
    moved_s: int, expected: list[str]
) -> None:
    outcome = run([tx(0), tx(DAY_S + moved_s), tx(DAY_S + moved_s, START_S, offset=3)])
    assert reasons(outcome) == expected
    assert [record.offset for record, _ in outcome.uncounted] == [3] * len(expected)


def test_without_lateness_allowed_a_closed_minute_takes_nothing() -> None:
    outcome = run([tx(120), tx(120, START_S + 59)], rules=AggregatorRules(allowed_lateness_s=0))
    assert reasons(outcome) == ["late"]


def test_every_tick_is_answered_with_what_changed_since_the_last() -> None:
    outcome = run([tx(0), tick(0), tick(1), tx(2), tx(2, START_S - 1), tick(2)])
    assert [sorted(update.minutes) for update in outcome.updates] == [
        [START_S],
        [],
        [START_S - 60, START_S],
    ]
    last = outcome.updates[-1]
    assert (last.partition, last.partitions) == (1, 4)
    assert (last.feed_time_ms, last.watermark_s) == ((START_S + 2) * 1000, START_S - 58)
    assert last.minutes[START_S] == declared.fold(declared.EMPTY, [transaction(fee=1)] * 2)


def test_an_update_holds_all_of_its_poll_however_long_the_last_one_is_ago() -> None:
    outcome = run([tick(0), tx(1, fee=3), tx(1, fee=4), tick(1)])
    assert [len(update.minutes) for update in outcome.updates] == [0, 1]
    assert outcome.updates[1].minutes[START_S].states["total_fee_1min"] == 7


def test_what_a_batch_counts_before_and_after_a_tick_is_folded_once() -> None:
    outcome = run([tx(0), tick(0), tx(1), tx(1), tick(1), tx(2)])
    counts = [u.minutes[START_S].states["total_nb_trx_1min"] for u in outcome.updates]
    assert counts == [1, 3]
    assert counted(outcome) == {0: (4, 0)}
    assert outcome.folded == 4


def test_what_was_not_told_before_a_restart_is_told_after_it() -> None:
    first = run([tx(0)])
    assert first.updates == []
    second = run([tick(1)], progress=first.progress, partials=dict(first.changed))
    assert sorted(second.updates[0].minutes) == [START_S]


def test_what_can_not_be_read_is_dead_and_the_rest_goes_on() -> None:
    outcome = run([tx(0), raw(1, b"<html>", offset=7), raw(1, None, offset=8), tx(1), tick(1)])
    assert [(record.offset, error.reason) for record, error in outcome.dead] == [
        (7, "not_json"),
        (8, "empty"),
    ]
    assert counted(outcome) == {0: (2, 0)}


def test_a_record_that_can_not_be_read_still_tells_the_time() -> None:
    assert watermark_s(tx(0), raw(300, b"{")) == 240


def test_a_total_beyond_64_bits_is_kept_as_such_whatever_the_batches() -> None:
    full = Partial(states={"total_nb_trx_1min": 9, "total_fee_1min": INTEGRAL_MAX - 1})
    records = [tx(0, fee=1), tx(0, fee=1), tx(0, fee=7)]
    once = run(records, partials={START_S: full})
    assert once.changed[START_S].states["total_nb_trx_1min"] == 12
    assert once.changed[START_S].states["total_fee_1min"] == INTEGRAL_MAX + 1
    assert once.dead == []
    partials = {START_S: full}
    for record in records:
        partials |= run([record], partials=partials).changed
    assert partials == once.changed


def test_minutes_are_forgotten_when_no_correction_can_come_any_more() -> None:
    first = run([tx(0), tx(60), tick(60)])
    state = dict(first.changed)
    kept = run([tick(DAY_S + 119)], progress=first.progress, partials=state)
    assert kept.forgotten == frozenset()
    gone = run([tick(DAY_S + 120)], progress=kept.progress, partials=state)
    assert gone.forgotten == {START_S}


def test_a_minute_is_not_forgotten_before_it_was_told() -> None:
    outcome = run([tx(0), tick(2 * DAY_S)])
    assert sorted(outcome.updates[0].minutes) == [START_S]
    assert outcome.forgotten == frozenset()
    later = run([tick(2 * DAY_S + 60)], progress=outcome.progress, partials=dict(outcome.changed))
    assert later.forgotten == {START_S}


def test_a_minute_folded_told_and_forgotten_within_a_batch_leaves_nothing() -> None:
    outcome = run([tx(0), tick(0), tick(2 * DAY_S)])
    assert not outcome.changed
    assert outcome.forgotten == {START_S}


def test_the_mapping_that_was_given_is_not_changed() -> None:
    partials = {START_S: declared.EMPTY}
    run([tx(0), tick(2 * DAY_S)], partials=partials)
    assert partials == {START_S: declared.EMPTY}
