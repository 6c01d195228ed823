import doctest
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.oracle import Moment, stamped
from txfeatures.domain.model import Record
from txfeatures.domain.wire import TICK_HEADER
from txfeatures_dedup import logic
from txfeatures_dedup.logic import HASH_BYTES, REMEMBERED_BYTES, Outcome, dedup, forget_ms

A, B, C, D = (letters * HASH_BYTES for letters in ("ab", "cd", "ef", "01"))
A_REMEMBERED = b"\xab" * REMEMBERED_BYTES
REMEMBER_MS = 1000
FORGET_MS = 1125
"""When that is forgotten which was seen at 0, ..., 124."""


def record(key: str | bytes | None, timestamp_ms: int = 0, *, offset: int = 0) -> Record:
    return Record(
        topic="raw",
        partition=0,
        offset=offset,
        key=key.encode() if isinstance(key, str) else key,
        value=b"{}",
        timestamp_ms=timestamp_ms,
    )


def tick(timestamp_ms: int) -> Record:
    return Record(
        topic="raw",
        partition=0,
        offset=0,
        key=None,
        value=b"",
        timestamp_ms=timestamp_ms,
        headers=((TICK_HEADER, b"1"),),
    )


def test_what_is_larger_than_our_own_records_may_be_is_dead_and_the_rest_goes_on() -> None:
    large = replace(record(A), value=b"x" * 1_000_000)
    outcome = dedup({}, [large, record(B)], remember_ms=REMEMBER_MS, max_record_bytes=1_000_000)
    [(dead, error)] = outcome.dead
    assert dead is large
    assert error.reason == "too_large"
    assert hashlib.sha256(b"x" * 1_000_000).hexdigest() in error.detail
    assert outcome.forwarded == [record(B)]
    assert len(outcome.sightings) == 1


def decide(*records: Record, seen: dict[bytes, int] | None = None, clock_ms: int = 0) -> Outcome:
    return dedup(seen or {}, records, remember_ms=REMEMBER_MS, clock_ms=clock_ms)


def test_nothing_in_is_nothing_out() -> None:
    assert decide() == Outcome(forwarded=[], sightings={}, clock_ms=0, duplicates=0, dead=[])


def test_a_first_sighting_goes_on_as_it_is_and_is_remembered_in_31_bytes() -> None:
    outcome = decide(record(A, 5))
    assert outcome.forwarded == [record(A, 5)]
    assert outcome.sightings == {A_REMEMBERED: FORGET_MS}
    assert [len(key) for key in outcome.sightings] == [31]


def test_a_hash_in_capitals_is_the_same_hash() -> None:
    assert decide(record(A), record(A.upper())).duplicates == 1


def test_a_repeat_in_the_same_batch_is_dropped() -> None:
    outcome = decide(record(A, offset=0), record(B, offset=1), record(A, offset=2))
    assert [found.offset for found in outcome.forwarded] == [0, 1]
    assert outcome.duplicates == 1


def test_a_repeat_of_an_earlier_batch_is_dropped() -> None:
    outcome = decide(record(A, 500), seen={A_REMEMBERED: FORGET_MS})
    assert (outcome.forwarded, outcome.sightings, outcome.duplicates) == ([], {}, 1)


@pytest.mark.parametrize(("at_ms", "goes_on"), [(FORGET_MS - 1, False), (FORGET_MS, True)])
def test_a_hash_is_new_again_from_the_time_to_forget_it_on(at_ms: int, goes_on: bool) -> None:
    outcome = decide(record(A, at_ms), seen={A_REMEMBERED: FORGET_MS})
    assert bool(outcome.forwarded) is goes_on
    assert outcome.duplicates == (not goes_on)
    assert outcome.sightings == ({A_REMEMBERED: 2250} if goes_on else {})


@pytest.mark.parametrize(("seen_ms", "expected"), [(0, 1125), (124, 1125), (125, 1250)])
def test_a_hash_is_forgotten_with_the_others_of_its_eighth(seen_ms: int, expected: int) -> None:
    assert decide(record(A, seen_ms)).sightings == {A_REMEMBERED: expected}


@given(seen_ms=st.integers(0, 2**63 - 1), remember_ms=st.integers(8, 30 * 24 * 3_600_000))
def test_a_hash_is_remembered_as_long_as_told_and_an_eighth_longer_at_most(
    seen_ms: int, remember_ms: int
) -> None:
    assert remember_ms < forget_ms(seen_ms, remember_ms) - seen_ms <= remember_ms * 9 / 8


@given(seen_ms=st.integers(0, 2**63 - 1), remember_ms=st.integers(1, 7))
def test_a_memory_too_short_for_eighths_is_rounded_up_by_a_millisecond(
    seen_ms: int, remember_ms: int
) -> None:
    assert forget_ms(seen_ms, remember_ms) == seen_ms + remember_ms + 1


@given(start_ms=st.integers(0, 2**50), offsets_ms=st.sets(st.integers(0, 80_000), max_size=200))
def test_what_is_remembered_at_once_is_forgotten_at_nine_times_at_most(
    start_ms: int, offsets_ms: set[int]
) -> None:
    assert len({forget_ms(start_ms + offset_ms, 80_000) for offset_ms in offsets_ms}) <= 9


def test_the_examples_of_the_docstrings_are_right() -> None:
    found = doctest.testmod(logic)
    assert (found.failed, found.attempted) == (0, 1)


def test_what_was_forgotten_and_goes_on_again_is_remembered_from_then() -> None:
    outcome = decide(record(A, 0), record(A, 1125), record(A, 2249), record(A, 2250))
    assert [found.timestamp_ms for found in outcome.forwarded] == [0, 1125, 2250]
    assert outcome.sightings == {A_REMEMBERED: 3375}


def test_the_newest_sighting_counts_when_an_older_one_is_stored() -> None:
    outcome = decide(record(A, 1125), record(A, 1126), seen={A_REMEMBERED: FORGET_MS})
    assert [found.timestamp_ms for found in outcome.forwarded] == [1125]


def test_a_repeat_does_not_prolong_the_memory() -> None:
    outcome = decide(record(A, 0), record(A, 1124), record(A, 1125))
    assert [found.timestamp_ms for found in outcome.forwarded] == [0, 1125]


def test_log_time_that_steps_back_is_still_a_repeat() -> None:
    assert decide(record(A, 10_000_000), record(A, 0)).duplicates == 1


def test_ticks_go_on_in_their_place() -> None:
    outcome = decide(record(A, 1), tick(1), record(A, 2), tick(2), tick(2), record(B, 5))
    assert outcome.forwarded == [record(A, 1), tick(1), tick(2), tick(2), record(B, 5)]
    assert outcome.duplicates == 1


def times_ms(outcome: Outcome) -> list[int]:
    return [each.timestamp_ms for each in outcome.forwarded]


def test_times_never_fall_and_a_tick_is_before_what_follows_it() -> None:
    records = record(A, 5), record(B, 3), tick(7), record(C, 6), tick(2), record(D, 9)
    outcome = decide(*records)
    assert times_ms(outcome) == [5, 5, 7, 8, 2, 9]
    assert outcome.clock_ms == 9
    for forwarded, read in zip(outcome.forwarded, records, strict=True):
        assert (forwarded.key, forwarded.value) == (read.key, read.value)
        assert forwarded.headers == read.headers


def test_the_clock_goes_on_where_the_last_batch_left_it() -> None:
    outcome = decide(record(A, 5), clock_ms=8)
    assert (times_ms(outcome), outcome.clock_ms) == ([8], 8)


def test_what_does_not_go_on_moves_no_clock() -> None:
    assert decide(record("no hash", 9), record(A, 4), record(A, 7)).clock_ms == 4


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=20))
def test_times_are_those_of_the_oracle(entries: list[tuple[bool, int]]) -> None:
    records = [
        tick(at_ms) if is_tick else record(f"{number:02x}" * HASH_BYTES, at_ms)
        for number, (is_tick, at_ms) in enumerate(entries)
    ]
    log = [Moment(feed_ms=at_ms, fee=None if is_tick else 1) for is_tick, at_ms in entries]
    assert times_ms(decide(*records)) == [moment.feed_ms for moment in stamped(log)]


@pytest.mark.parametrize(
    "key",
    [
        None,
        b"",
        b"\xff\xfe",
        b"not hex",
        A[:-2].encode(),
        (A + "ab").encode(),
        (A[:-1] + "g").encode(),
        (" " + A).encode(),
        (A[:32] + " " + A[32:]).encode(),
        (A + "\n").encode(),
        b"\xc2\xb2" * 32,
    ],
)
def test_a_key_that_is_no_hash_is_dead_with_its_bytes_intact(key: bytes | None) -> None:
    outcome = decide(record(A), record(key, 5, offset=9), record(B))
    [(dead, error)] = outcome.dead
    assert dead == record(key, 5, offset=9)
    assert error.reason == "bad_key"
    assert len(outcome.forwarded) == 2


def test_what_was_seen_is_not_changed_by_the_decision() -> None:
    seen = {A_REMEMBERED: FORGET_MS}
    decide(record(A, 5000), record(B, 5000), seen=seen)
    assert seen == {A_REMEMBERED: FORGET_MS}
