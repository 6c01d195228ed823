import pytest

from services.dedup.logic import HASH_BYTES, Outcome, dedup
from txfeatures.model import Record
from txfeatures.wire import TICK_HEADER

A, B = "ab" * HASH_BYTES, "cd" * HASH_BYTES
REMEMBER_MS = 1000


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


def decide(*records: Record, seen: dict[bytes, int] | None = None) -> Outcome:
    return dedup(seen or {}, records, remember_ms=REMEMBER_MS)


def test_nothing_in_is_nothing_out() -> None:
    assert decide() == Outcome(forwarded=[], sightings={}, duplicates=0, dead=[])


def test_a_first_sighting_goes_on_as_it_is_and_is_remembered_in_32_bytes() -> None:
    outcome = decide(record(A, 5))
    assert outcome.forwarded == [record(A, 5)]
    assert outcome.sightings == {bytes.fromhex(A): 5}


def test_a_repeat_in_the_same_batch_is_dropped() -> None:
    outcome = decide(record(A, offset=0), record(B, offset=1), record(A, offset=2))
    assert [found.offset for found in outcome.forwarded] == [0, 1]
    assert outcome.duplicates == 1


def test_a_repeat_of_an_earlier_batch_is_dropped() -> None:
    outcome = decide(record(A, 500), seen={bytes.fromhex(A): 0})
    assert (outcome.forwarded, outcome.sightings, outcome.duplicates) == ([], {}, 1)


@pytest.mark.parametrize(("age_ms", "goes_on"), [(REMEMBER_MS, False), (REMEMBER_MS + 1, True)])
def test_a_hash_is_remembered_for_a_set_log_time(age_ms: int, goes_on: bool) -> None:
    outcome = decide(record(A, 7 + age_ms), seen={bytes.fromhex(A): 7})
    assert bool(outcome.forwarded) is goes_on
    assert outcome.sightings == ({bytes.fromhex(A): 7 + age_ms} if goes_on else {})


def test_what_was_forgotten_and_goes_on_again_is_remembered_from_then() -> None:
    outcome = decide(record(A, 0), record(A, 1001), record(A, 2001), record(A, 2002))
    assert [found.timestamp_ms for found in outcome.forwarded] == [0, 1001, 2002]
    assert outcome.sightings == {bytes.fromhex(A): 2002}


def test_the_newest_sighting_counts_when_an_older_one_is_stored() -> None:
    outcome = decide(record(A, 1001), record(A, 1002), seen={bytes.fromhex(A): 0})
    assert [found.timestamp_ms for found in outcome.forwarded] == [1001]


def test_a_repeat_does_not_prolong_the_memory() -> None:
    outcome = decide(record(A, 0), record(A, 900), record(A, 1001))
    assert [found.timestamp_ms for found in outcome.forwarded] == [0, 1001]


def test_log_time_that_steps_back_is_still_a_repeat() -> None:
    assert decide(record(A, 10_000_000), record(A, 0)).duplicates == 1


def test_ticks_go_on_in_their_place() -> None:
    outcome = decide(record(A, 1), tick(1), record(A, 2), tick(2), tick(2), record(B, 3))
    assert outcome.forwarded == [record(A, 1), tick(1), tick(2), tick(2), record(B, 3)]
    assert outcome.duplicates == 1


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
    seen = {bytes.fromhex(A): 0}
    decide(record(A, 5000), record(B, 5000), seen=seen)
    assert seen == {bytes.fromhex(A): 0}
