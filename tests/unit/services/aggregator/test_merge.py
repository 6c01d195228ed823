import msgspec
import pytest

from tests.unit.services.aggregator.merging import (
    DAY_S,
    START_S,
    Merging,
    beat,
    brief,
    only,
    partial,
    said,
)
from txfeatures.domain.features import INTEGRAL_MAX
from txfeatures_aggregator.state import Frontier, Minute


def test_a_changed_open_minute_gets_a_provisional_row(merging: Merging) -> None:
    row = only(merging.take(said(1, {0: 3})).rows)
    assert row.kind == "provisional"
    assert row.row["is_final"] == 0
    assert row.row["tx_minute"] == "2024-10-19 00:00:00"
    assert row.row["total_nb_trx_1min"] == 3
    assert row.row["event_time"] == START_S + 1


def test_nothing_is_said_before_every_partition_was_heard(merging: Merging) -> None:
    assert merging.rows(said(1, {0: 1}, partition=0, partitions=3)) == []
    assert merging.rows(said(1, {0: 1}, partition=2, partitions=3)) == []
    assert not merging.frontier.is_complete
    assert merging.rows(said(1, {0: 1}, partition=1, partitions=3)) == [("provisional", 0, 1, 3)]


def test_nothing_is_complete_before_the_first_update() -> None:
    frontier = Frontier()
    assert not frontier.is_complete
    assert (frontier.all_ms, frontier.any_ms) == (0, 0)


def test_a_minute_that_did_not_change_gets_no_row(merging: Merging) -> None:
    merging.take(said(1, {0: 3}))
    assert merging.rows(said(2)) == []
    assert merging.rows(said(3, {0: 3})) == []


def test_a_round_of_ticks_brings_at_most_one_row_a_minute(merging: Merging) -> None:
    for at_s in range(1, 6):
        rows = [
            row
            for partition in (2, 0, 1)
            for row in merging.take(said(at_s, {0: at_s}, partition=partition, partitions=3)).rows
        ]
        assert [brief(row) for row in rows] == [("provisional", 0, at_s, 3 * at_s)]


def test_partials_are_absolute_so_the_last_one_of_a_partition_counts(merging: Merging) -> None:
    assert merging.rows(said(1, {0: 3}), said(2, {0: 5})) == [
        ("provisional", 0, 1, 3),
        ("provisional", 0, 2, 5),
    ]


def test_two_updates_of_one_moment_both_count(merging: Merging) -> None:
    merging.take(said(1, {0: 3}))
    assert merging.rows(said(1, {0: 5}), said(2)) == [("provisional", 0, 2, 5)]


def test_the_merged_watermark_is_the_least_and_never_falls(merging: Merging) -> None:
    merging.take(said(1, watermark_s=0, partition=0, partitions=2))
    assert merging.frontier.watermark_s == 0
    merging.take(said(1, watermark_s=-50, partition=1, partitions=2))
    assert merging.frontier.watermark_s == START_S - 50
    merging.take(said(2, watermark_s=40, partition=1, partitions=2))
    assert merging.frontier.watermark_s == START_S - 50
    merging.take(said(2, watermark_s=10, partition=0, partitions=2))
    assert merging.frontier.watermark_s == START_S + 10
    merging.take(said(3, watermark_s=-90, partition=1, partitions=2))
    merging.take(said(3, watermark_s=10, partition=0, partitions=2))
    assert merging.frontier.watermark_s == START_S + 10


def test_a_minute_is_final_once_when_the_watermark_reaches_its_end(merging: Merging) -> None:
    assert merging.rows(said(100, {0: 2}, watermark_s=59)) == [("provisional", 0, 1, 2)]
    row = only(merging.take(said(101, watermark_s=60)).rows)
    assert (row.kind, row.row["is_final"], row.row["revision"]) == ("final", 1, 2)
    assert merging.rows(said(102, watermark_s=61), said(103, watermark_s=200)) == []


def test_a_minute_first_heard_of_after_its_end_is_final_at_once(merging: Merging) -> None:
    assert merging.rows(said(200, {0: 1}, watermark_s=140)) == [("final", 0, 1, 1)]


def test_what_comes_after_final_is_a_correction_and_counts_as_late(merging: Merging) -> None:
    merging.take(said(200, {0: 1}, watermark_s=140))
    row = only(merging.take(said(201, minutes={0: partial(2, late=1)}, watermark_s=141)).rows)
    assert row.kind == "correction"
    assert (row.row["is_final"], row.row["revision"]) == (1, 2)
    assert (row.row["total_nb_trx_1min"], row.row["nb_late_trx_1min"]) == (2, 1)


def test_the_partials_of_all_partitions_add_up(merging: Merging) -> None:
    merging.take(said(1, minutes={0: partial(1, fees=5, late=1)}, partition=0, partitions=2))
    row = only(
        merging.take(
            said(1, minutes={0: partial(3, fees=8, late=2)}, partition=1, partitions=2)
        ).rows
    )
    names = ("total_nb_trx_1min", "total_fee_1min", "avg_fee_1min", "nb_late_trx_1min")
    assert [row.row[name] for name in names] == [4, 13, 3.25, 3]


def test_event_time_rises_with_every_revision_even_within_a_millisecond(
    merging: Merging,
) -> None:
    merging.minutes[START_S] = Minute(
        partials={0: partial(1)}, revision=4, event_time_ms=(START_S + 9) * 1000
    )
    row = only(merging.take(said(9, {0: 2})).rows)
    assert row.row["revision"] == 5
    assert row.row["event_time"] == pytest.approx(START_S + 9.001, abs=1e-6)


def test_event_time_is_the_whole_second_that_every_partition_has_reached(
    merging: Merging,
) -> None:
    merging.take(said(2.9, {0: 1}, partition=0, partitions=2))
    row = only(merging.take(said(1.7, partition=1, partitions=2)).rows)
    assert row.row["event_time"] == START_S + 1


def test_minutes_are_sent_in_their_order(merging: Merging) -> None:
    rows = merging.rows(said(3600, dict.fromkeys(range(50, -1, -7), 1), watermark_s=110))
    assert [(kind, minute) for kind, minute, *_ in rows] == [
        ("provisional", minute) for minute in range(1, 51, 7)
    ]


def test_old_updates_read_again_change_nothing(merging: Merging) -> None:
    log = [said(at_s, {0: at_s}) for at_s in range(1, 5)]
    merging.take(*log)
    before = (merging.frontier, dict(merging.minutes))
    outcome = merging.take(*log)
    assert outcome.rows == []
    assert (merging.frontier, merging.minutes) == before


def test_a_partition_that_stalls_holds_provisional_rows_for_two_seconds_of_the_feed(
    merging: Merging,
) -> None:
    merging.take(said(1, partition=1, partitions=2))
    merging.take(said(1, {0: 1}, partition=0, partitions=2))
    assert merging.rows(said(2, {0: 2}, partition=0, partitions=2)) == []
    assert merging.rows(said(2.999, {0: 3}, partition=0, partitions=2)) == []
    assert merging.rows(said(3, {0: 4}, partition=0, partitions=2)) == [("provisional", 0, 2, 4)]
    assert merging.rows(said(4, {0: 5}, partition=0, partitions=2)) == []


def test_a_partition_that_stalls_holds_every_final_row(merging: Merging) -> None:
    merging.take(said(1, watermark_s=-50, partition=1, partitions=2))
    for at_s in range(1, 300):
        outcome = merging.take(
            said(at_s, {0: min(at_s, 60)}, watermark_s=at_s - 60, partition=0, partitions=2)
        )
        assert {row.kind for row in outcome.rows} <= {"provisional"}
    assert merging.rows(said(300, {0: 1}, watermark_s=240, partition=1, partitions=2)) == [
        ("final", 0, 32, 60)
    ]
    assert merging.rows(said(300, watermark_s=240, partition=0, partitions=2)) == [
        ("correction", 0, 33, 61)
    ]


def test_what_waits_for_a_partition_that_stands_still_is_bounded(merging: Merging) -> None:
    merging.take(said(1, partition=1, partitions=2))
    for at_s in range(1, 1200):
        minute, count = divmod(at_s, 60)
        merging.take(
            said(at_s, {minute: count + 1}, watermark_s=at_s - 60, partition=0, partitions=2)
        )
    assert len(merging.frontier.partitions[0].ahead) < 6 * 1200 / 60
    assert {len(minute.pending) for minute in merging.minutes.values()} == {1}


def test_a_partition_that_was_never_idle_is_not_taken_for_idle_when_another_stood_still(
    merging: Merging,
) -> None:
    merging.take(said(1, {-2: 1}, watermark_s=-50, partition=1, partitions=2))
    for at_s, watermark_s in ((1, -70), (15, -69), (30, -68)):
        merging.take(said(at_s, {0: at_s}, watermark_s=watermark_s, partition=0, partitions=2))
    outcome = merging.take(
        said(100, watermark_s=-68, partition=0, partitions=2),
        said(100, watermark_s=-50, partition=1, partitions=2),
    )
    [final] = [row.row for row in outcome.rows if row.kind == "final"]
    assert final["event_time"] == START_S + 50


def test_minutes_are_forgotten_after_the_allowed_lateness(merging: Merging) -> None:
    merging.take(said(130, {0: 1, 1: 1}, watermark_s=120))
    assert merging.take(said(DAY_S, watermark_s=DAY_S + 59)).forgotten == frozenset()
    assert merging.take(said(DAY_S + 1, watermark_s=DAY_S + 60)).forgotten == {START_S}
    assert merging.minutes.keys() == {START_S + 60}


def test_a_minute_that_still_owes_a_row_is_not_forgotten(merging: Merging) -> None:
    outcome = merging.take(said(2 * DAY_S, {0: 1}, watermark_s=2 * DAY_S))
    assert only(outcome.rows).kind == "final"
    assert outcome.forgotten == frozenset()
    merging.take(said(2 * DAY_S + 60, watermark_s=2 * DAY_S + 60))
    assert merging.minutes == {}


def test_a_total_beyond_64_bits_is_withheld_and_said(merging: Merging) -> None:
    half = INTEGRAL_MAX // 2 + 1
    merging.take(said(1, minutes={0: partial(1, fees=half)}, partition=0, partitions=2))
    outcome = merging.take(
        said(1, minutes={0: partial(1, fees=half), 1: partial(1)}, partition=1, partitions=2)
    )
    [error] = outcome.overflows
    assert error.detail == "total_fee_1min of 2024-10-19 00:00:00 needs more than 64 bits"
    assert [brief(row) for row in outcome.rows] == [("provisional", 1, 1, 1)]


def test_a_withheld_row_is_tried_again_only_when_its_minute_changes(merging: Merging) -> None:
    half = INTEGRAL_MAX // 2 + 1
    for partition in (0, 1):
        merging.take(said(1, minutes={0: partial(1, fees=half)}, partition=partition, partitions=2))
    again = merging.take(said(2, partition=0, partitions=2), said(2, partition=1, partitions=2))
    assert list(again.overflows) == []
    closed = merging.take(
        said(130, watermark_s=70, partition=0, partitions=2),
        said(130, watermark_s=70, partition=1, partitions=2),
    )
    assert [error.reason for error in closed.overflows] == ["feature_overflow"]
    assert list(closed.rows) == []


def test_the_largest_total_that_fits_is_exact(merging: Merging) -> None:
    row = only(merging.take(said(1, minutes={0: partial(1, fees=INTEGRAL_MAX)})).rows)
    assert row.row["total_fee_1min"] == INTEGRAL_MAX


def test_the_state_is_read_back_from_json_as_it_was(merging: Merging) -> None:
    merging.take(beat(10, gap=True), said(11, {0: 1}), said(200, {2: 1}, watermark_s=140))
    for value in (merging.frontier, *merging.minutes.values()):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value
