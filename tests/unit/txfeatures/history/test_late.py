import pyarrow as pa

from txfeatures.domain.rules import Rules
from txfeatures.history.late import LOG, Judged, judge

START_S = 1_729_296_000


EVER_S = 2**60


def log(*rows: tuple[int, int, int | None]) -> pa.Table:
    """Offset, feed time and event time, both in seconds after the start."""
    offsets, feeds, times = zip(*rows, strict=True)
    return pa.table(
        [
            list(offsets),
            [(START_S + feed_s) * 1000 for feed_s in feeds],
            [None if time_s is None else START_S + time_s for time_s in times],
        ],
        schema=LOG,
    )


def exceptions(table: pa.Table, rules: Rules | None = None) -> dict[int, tuple[bool, int]]:
    found = judge(table, rules or Rules()).exceptions.to_pylist()
    return {row["topic_offset"]: (row["counts"], row["late_ms"] // 1000 - START_S) for row in found}


def closings(judged: Judged) -> list[tuple[int, int, bool]]:
    """Return the stretches from the first record on."""
    return [
        (min(EVER_S, row["closed_s"] - START_S), row["from_s"] - START_S, row["is_idle"])
        for row in judged.closings.to_pylist()
        if row["from_s"]
    ]


def test_what_comes_after_its_minute_was_closed_counts_late() -> None:
    assert exceptions(log((0, 0, 0), (1, 121, 120), (2, 122, 59), (3, 123, 60))) == {2: (True, 122)}


def test_beyond_the_allowed_lateness_it_does_not_count() -> None:
    rules = Rules(allowed_lateness_s=60)
    assert exceptions(log((0, 0, 0), (1, 181, 180), (2, 182, 59)), rules) == {2: (False, 182)}


def test_what_is_dated_too_far_ahead_does_not_count_and_moves_no_watermark() -> None:
    assert exceptions(log((0, 0, 0), (1, 1, 122), (2, 2, 1))) == {1: (False, 1)}


def test_an_idle_partition_follows_the_feeds_clock() -> None:
    assert exceptions(log((0, 0, 0), (1, 121, 59))) == {1: (True, 121)}
    assert exceptions(log((0, 0, 0), (1, 120, 59))) == {}


def test_records_that_cannot_be_read_move_the_feeds_clock_only() -> None:
    judged = judge(log((0, 0, 0), (1, 121, None), (2, 121, 59)), Rules())
    assert judged.exceptions["topic_offset"].to_pylist() == [2]
    # Idle from 20 on, and again 20 after the transaction, which is older but newer than the first.
    assert closings(judged) == [(-60, 0, False), (60, 20, True), (EVER_S, 141, True)]


def test_the_order_is_that_of_the_offsets() -> None:
    assert exceptions(log((3, 123, 60), (0, 0, 0), (2, 122, 59), (1, 121, 120))) == {2: (True, 122)}


def test_each_minute_is_closed_when_the_watermark_reaches_its_end() -> None:
    judged = judge(log((0, 0, 0), (1, 90, 90), (2, 120, 120), (3, 300, 300)), Rules())
    assert closings(judged) == [
        (-60, 0, False),
        (0, 20, True),
        (60, 120, False),
        (180, 140, True),
        (240, 300, False),
        (EVER_S, 320, True),
    ]


def test_times_near_the_end_of_64_bits_are_in_the_future() -> None:
    assert exceptions(log((0, 0, 0), (1, 1, 2**63 - 1 - START_S))) == {1: (False, 1)}
