import msgspec

from tests.unit.services.aggregator.merging import DAY_S, Merging, beat, only, said


def test_a_minute_in_which_the_feed_was_alive_and_nothing_came_gets_zeros_when_it_closes(
    merging: Merging,
) -> None:
    assert merging.rows(beat(30), said(31)) == []
    row = only(merging.take(said(130, watermark_s=60)).rows)
    assert row.kind == "final"
    assert (row.row["total_nb_trx_1min"], row.row["total_fee_1min"]) == (0, 0)
    assert (row.row["avg_fee_1min"], row.row["revision"]) == (0.0, 1)


def test_a_minute_in_which_the_feed_was_down_gets_no_row(merging: Merging) -> None:
    for outcome in ("timeout", "rate_limited", "bad_json"):
        merging.take(beat(30, outcome=outcome))
    assert merging.rows(said(31), said(130, watermark_s=60)) == []
    assert merging.minutes == {}


def test_one_answer_is_enough_to_be_alive(merging: Merging) -> None:
    merging.take(beat(10, outcome="timeout"), beat(20), beat(30, outcome="timeout"))
    assert merging.rows(said(130, watermark_s=60)) == [("final", 0, 1, 0)]


def test_a_heartbeat_that_is_read_after_its_minute_closed_still_brings_its_zeros(
    merging: Merging,
) -> None:
    merging.take(said(130, watermark_s=70))
    assert merging.rows(beat(30), said(131, watermark_s=71)) == [("final", 0, 1, 0)]


def test_a_heartbeat_of_a_final_minute_changes_nothing(merging: Merging) -> None:
    merging.take(said(130, {0: 1}, watermark_s=70))
    assert merging.rows(beat(30), said(131, watermark_s=71)) == []
    assert merging.frontier.open == frozenset()


def test_a_heartbeat_does_not_take_away_a_row_that_is_due(merging: Merging) -> None:
    merging.take(said(1, {0: 1}, partition=0, partitions=2), beat(1))
    assert merging.rows(said(1, partition=1, partitions=2)) == [("provisional", 0, 1, 1)]


def test_every_gap_is_marked_on_its_minute_once(merging: Merging) -> None:
    gaps = (beat(10, gap=True, poll=7), beat(11, gap=True, poll=8), beat(10, gap=True, poll=7))
    merging.take(*gaps, *gaps)
    other = msgspec.structs.replace(gaps[0], poller="b")
    row = only(merging.take(other, said(12, {0: 1})).rows)
    assert row.row["nb_gaps_1min"] == 3


def test_a_gap_known_after_the_row_brings_a_new_revision(merging: Merging) -> None:
    merging.take(said(12, {0: 1}))
    assert merging.rows(beat(12, gap=True), said(13)) == [("provisional", 0, 2, 1)]
    assert merging.rows(beat(12, gap=True), said(14)) == []


def test_a_gap_known_after_the_final_row_is_a_correction(merging: Merging) -> None:
    merging.take(said(130, {0: 1}, watermark_s=70))
    assert merging.rows(beat(30, gap=True), said(131, watermark_s=71)) == [("correction", 0, 2, 1)]


def test_a_gap_known_after_the_final_zeros_is_a_correction_too(merging: Merging) -> None:
    merging.take(beat(20), said(130, watermark_s=70))
    assert merging.rows(beat(30, gap=True), said(131, watermark_s=71)) == [("correction", 0, 2, 0)]


def test_a_gap_in_an_open_minute_without_transactions_waits_for_its_end(
    merging: Merging,
) -> None:
    assert merging.rows(beat(10, gap=True), said(11)) == []
    row = only(merging.take(said(130, watermark_s=70)).rows)
    assert (row.kind, row.row["nb_gaps_1min"]) == ("final", 1)


def test_a_heartbeat_of_a_forgotten_minute_does_not_bring_it_back(merging: Merging) -> None:
    merging.take(said(2 * DAY_S, watermark_s=2 * DAY_S))
    assert merging.rows(beat(0, gap=True), said(2 * DAY_S + 1, watermark_s=2 * DAY_S)) == []
    assert merging.minutes == {}
