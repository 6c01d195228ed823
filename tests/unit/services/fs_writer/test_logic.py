from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.declared import FEATURES
from tests.support.rows import MINUTE_S, row_record
from txfeatures.domain.model import Record
from txfeatures.domain.wire import TICK_HEADER
from txfeatures_fs_writer.logic import (
    ArchiveObject,
    CutRules,
    Cutter,
    Put,
    calls,
    plan,
)


def offsets(records: Sequence[Record]) -> list[list[int]]:
    return [
        [put.record.offset for put in minute] for minute in plan(records, features=FEATURES).minutes
    ]


def test_rows_are_grouped_by_minute_and_stay_in_order() -> None:
    records = [
        row_record(0, minute=0, final=True, revision=5),
        row_record(1, minute=1, final=True, revision=3),
        row_record(2, minute=0, final=True, revision=6),
    ]
    assert offsets(records) == [[0, 2], [1]]


def test_only_the_newest_provisional_row_of_a_minute_is_put() -> None:
    records = [row_record(i, revision=i + 1) for i in range(3)] + [row_record(3, minute=1)]
    assert offsets(records) == [[2], [3]]
    assert plan(records, features=FEATURES).superseded == 2


def test_a_provisional_row_gives_way_to_a_final_one() -> None:
    records = [row_record(0, revision=1), row_record(1, revision=2, final=True)]
    assert offsets(records) == [[1]]


def test_an_older_provisional_row_is_left_out_wherever_it_stands() -> None:
    records = [row_record(0, revision=2), row_record(1, revision=1)]
    assert offsets(records) == [[0]]


def test_final_rows_and_corrections_are_never_left_out() -> None:
    records = [row_record(i, revision=i + 1, final=True) for i in range(4)]
    assert offsets(records) == [[0, 1, 2, 3]]
    assert plan(records, features=FEATURES).superseded == 0


def test_provisional_rows_go_online_only_and_final_ones_to_both_stores() -> None:
    minutes = plan([row_record(0), row_record(1, minute=1, final=True)], features=FEATURES).minutes
    assert [minute[0].targets for minute in minutes] == [
        ("OnlineStore",),
        ("OnlineStore", "OfflineStore"),
    ]


@pytest.mark.parametrize("value", [None, b"", b"{", b'{"tx_minute": "x"}'])
def test_a_record_that_is_no_row_is_reported_with_its_place(value: bytes | None) -> None:
    bad = Record(topic="aggregated", partition=0, offset=1, key=b"k", value=value, timestamp_ms=0)
    made = plan([row_record(0), bad, row_record(2, minute=1)], features=FEATURES)
    assert [refusal.record.offset for refusal in made.unreadable.values()] == [1]
    assert list(made.unreadable) == [1]
    assert sum(map(len, made.minutes)) == 2


def test_values_are_strings_that_read_back_the_same() -> None:
    (put,) = plan([row_record(0, revision=7, millis=25)], features=FEATURES).minutes[0]
    assert put.values == {
        "tx_minute": "2024-10-19 10:49:00",
        "total_nb_trx_1min": "0",
        "total_fee_1min": "0",
        "avg_fee_1min": "0.0",
        "min_fee_1min": "0",
        "max_fee_1min": "0",
        "fee_rate_p10_1min": "0.0",
        "fee_rate_p50_1min": "0.0",
        "fee_rate_p90_1min": "0.0",
        "total_vsize_1min": "0",
        "total_output_value_1min": "0",
        "rbf_share_1min": "0.0",
        "revision": "7",
        "is_final": "0",
        "nb_late_trx_1min": "0",
        "nb_gaps_1min": "0",
        "event_time": "1729334947.025",
    }
    assert put.size_bytes == sum(len(name) + len(value) for name, value in put.values.items())


def test_the_plan_is_told_the_table_format() -> None:
    ((put,),) = plan([row_record(0, revision=7, millis=25)], FEATURES, "iceberg").minutes
    assert put.values["event_time"] == "2024-10-19T10:49:07.025Z"
    assert put.event_time_s == 1729334947.025


def heads(count: int) -> list[Put]:
    minutes = plan([row_record(i, minute=i) for i in range(count)], features=FEATURES).minutes
    return [minute[0] for minute in minutes]


@pytest.mark.parametrize(
    ("rows", "parallel", "sizes"),
    [
        (0, 8, []),
        (8, 8, [1] * 8),
        (9, 8, [9]),
        (25, 8, [25]),
        (26, 8, [25, 1]),
        (200, 8, [25] * 8),
        (2, 1, [2]),
        (1, 1, [1]),
    ],
)
def test_a_backlog_goes_by_25_to_a_call_and_few_rows_go_alone(
    rows: int, parallel: int, sizes: list[int]
) -> None:
    puts = heads(rows)
    shared = calls(puts, parallel=parallel)
    assert [len(call) for call in shared] == sizes
    assert [put for call in shared for put in call] == puts


def test_a_call_is_bounded_by_bytes_as_well() -> None:
    puts = [replace(put, values={**put.values, "note": "x" * 350_000}) for put in heads(10)]
    assert [len(call) for call in calls(puts, parallel=1)] == [2] * 5


RULES = CutRules(bucket_s=300, max_rows=4, max_bytes=1000)


def transaction(offset: int, feed_time_s: float, *, size: int = 10, partition: int = 0) -> Record:
    return Record(
        topic="deduped",
        partition=partition,
        offset=offset,
        key=b"hash",
        value=b"x" * size,
        timestamp_ms=int(feed_time_s * 1000),
    )


def tick(offset: int, feed_time_s: float) -> Record:
    return Record(
        topic="deduped",
        partition=0,
        offset=offset,
        key=None,
        value=None,
        timestamp_ms=int(feed_time_s * 1000),
        headers=((TICK_HEADER, b"1"),),
    )


def cut(records: Sequence[Record], rules: CutRules = RULES) -> list[ArchiveObject]:
    cutter = Cutter(rules)
    return [complete for record in records for complete in cutter.add(record)]


def rows_of(objects: Sequence[ArchiveObject]) -> list[list[int]]:
    return [[record.offset for record in found.rows] for found in objects]


def test_an_object_ends_when_the_feed_clock_enters_the_next_bucket() -> None:
    (found,) = cut([transaction(0, 600), transaction(1, 899.999), transaction(2, 900)])
    assert rows_of([found]) == [[0, 1]]
    assert found.next_offset == 2


def test_a_tick_ends_an_object_and_is_no_row() -> None:
    (found,) = cut([transaction(0, 600), tick(1, 700), tick(2, 901)])
    assert rows_of([found]) == [[0]]
    assert found.next_offset == 2


def test_an_object_ends_with_the_row_that_fills_it() -> None:
    found = cut([transaction(i, 600) for i in range(9)])
    assert rows_of(found) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [each.next_offset for each in found] == [4, 8]


def test_an_object_ends_with_the_row_that_has_too_many_bytes() -> None:
    found = cut([transaction(0, 600, size=600), transaction(1, 600, size=4_400_000)])
    assert rows_of(found) == [[0, 1]]


def test_a_record_can_end_two_objects() -> None:
    found = cut([transaction(0, 600), transaction(1, 900, size=1000)])
    assert rows_of(found) == [[0], [1]]


def test_a_record_that_runs_behind_stays_in_the_object_of_its_neighbours() -> None:
    found = cut([transaction(0, 900), transaction(1, 899), transaction(2, 1200)])
    assert rows_of(found) == [[0, 1]]


def test_ticks_alone_make_an_object_without_rows() -> None:
    (found,) = cut([tick(0, 600), tick(1, 700), tick(2, 900)])
    assert found.rows == []
    assert found.next_offset == 2


def test_the_name_has_the_bucket_the_topic_the_partition_and_the_first_row() -> None:
    first = MINUTE_S + 59 * 60 + 59
    records = [
        tick(7, first - 1),
        transaction(8, first, partition=0),
        transaction(9, first + 300),
    ]
    (found,) = cut(records)
    assert found.name("AAAAAAAAAAAAAAAAAAAAAg").key == (
        "archive/deduped/date=2024-10-19/hour=11/"
        "deduped.AAAAAAAAAAAAAAAAAAAAAg-0-00000000000000000008.parquet"
    )


@pytest.mark.parametrize(("timestamp_ms", "date"), [(-1, "1970-01-01"), (2**63 - 1, "9999-12-31")])
def test_a_timestamp_without_a_date_is_no_reason_to_stop(timestamp_ms: int, date: str) -> None:
    rules = CutRules(bucket_s=300, max_rows=1, max_bytes=1)
    (found,) = cut([transaction(0, timestamp_ms / 1000)], rules)
    assert f"/date={date}/" in found.name("").key


events = st.lists(
    st.tuples(st.booleans(), st.integers(-400, 400), st.integers(0, 500), st.integers(1, 3)),
    max_size=60,
)


@given(events, st.data())
def test_whoever_starts_where_an_object_starts_cuts_the_same(
    found: list[tuple[bool, int, int, int]], data: Any
) -> None:
    records, offset, feed_time_s = [], 0, 10_000
    for is_tick, step_s, size, skip in found:
        feed_time_s += step_s
        records.append(
            tick(offset, feed_time_s) if is_tick else transaction(offset, feed_time_s, size=size)
        )
        offset += skip  # a transactional topic has holes
    objects = cut(records)
    start = data.draw(st.sampled_from([0, *(each.next_offset for each in objects)]))
    again = cut([record for record in records if record.offset >= start])
    assert again == [each for each in objects if each.next_offset > start]
    rows = [record for each in objects for record in each.rows]
    assert rows == [r for r in records if r.key is not None][: len(rows)]
    assert all(len(each.rows) <= RULES.max_rows for each in objects)
    assert len({each.name("") for each in objects if each.rows}) == sum(
        bool(o.rows) for o in objects
    )
