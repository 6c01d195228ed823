import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from txfeatures_dedup.logic import GRANULES, REMEMBERED_BYTES
from txfeatures_dedup.seen import Seen

KEYS = [bytes([number]) * REMEMBERED_BYTES for number in range(6)]
A, B, C, *_ = KEYS

keys = st.sampled_from(KEYS)
times = st.integers(1, 4).map(lambda number: number * 1000)


class SeenIsADict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.seen = Seen()
        self.model: dict[bytes, int] = {}

    @rule(key=keys, time=times)
    def set(self, key: bytes, time: int) -> None:
        self.seen[key] = self.model[key] = time

    @rule(values=st.dictionaries(keys, times))
    def update(self, values: dict[bytes, int]) -> None:
        self.seen.update(values)
        self.model.update(values)

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        if key in self.model:
            del self.model[key]
            del self.seen[key]
        else:
            with pytest.raises(KeyError):
                del self.seen[key]

    @rule(key=keys)
    def pop(self, key: bytes) -> None:
        assert self.seen.pop(key, None) == self.model.pop(key, None)

    @rule(gone=st.lists(keys))
    def discard(self, gone: list[bytes]) -> None:
        self.seen.discard(iter(gone))
        for key in gone:
            self.model.pop(key, None)

    @rule(changes=st.lists(st.tuples(keys, st.none() | times)))
    def restore(self, changes: list[tuple[bytes, int | None]]) -> None:
        self.seen.restore(
            (key, None if time is None else self.seen.encode(time)) for key, time in changes
        )
        for key, time in changes:
            self.model.pop(key, None)
            if time is not None:
                self.model[key] = time

    @rule()
    def clear(self) -> None:
        self.seen.clear()
        self.model.clear()

    @rule(now_ms=st.integers(0, 5000), limit=st.integers(0, 7))
    def forgotten(self, now_ms: int, limit: int) -> None:
        due = {key for key, time in self.model.items() if time <= now_ms}
        found = self.seen.forgotten(now_ms, limit)
        assert len(found) == len(set(found)) == min(limit, len(due))
        assert set(found) <= due

    @invariant()
    def holds_the_same(self) -> None:
        assert dict(self.seen.items()) == self.model
        assert len(self.seen) == len(self.model)
        for key in KEYS:
            assert self.seen.get(key, -1) == self.model.get(key, -1)
            assert (key in self.seen) == (key in self.model)


SeenIsADict.TestCase.settings = settings(max_examples=100, deadline=None)
TestSeenIsADict = SeenIsADict.TestCase


@pytest.fixture
def seen() -> Seen:
    return Seen()


def test_a_hash_that_was_not_seen_is_forgotten_since_ever(seen: Seen) -> None:
    assert seen.get(A) == 0
    assert seen.get(A, 7) == 7
    with pytest.raises(KeyError):
        seen[A]


def test_a_hash_is_due_from_its_time_on(seen: Seen) -> None:
    seen.update({A: 1000, B: 1001})
    assert seen.forgotten(999, 9) == []
    assert seen.forgotten(1000, 9) == [A]
    assert sorted(seen.forgotten(1001, 9)) == [A, B]


def test_what_is_forgotten_is_still_there_until_it_is_removed(seen: Seen) -> None:
    seen[A] = 1000
    seen.forgotten(1000, 9)
    assert seen[A] == 1000


def test_of_a_changelog_the_last_word_on_a_hash_counts(seen: Seen) -> None:
    seen.update({A: 1000, B: 1000})
    time = seen.encode
    seen.restore(
        [(A, time(2000)), (A, time(3000)), (B, None), (C, time(1000)), (C, None), (C, None)]
    )
    assert dict(seen.items()) == {A: 3000}


@pytest.mark.parametrize("time_ms", [0, 1_729_296_000_000, 2**63 - 1 + 2**32])
def test_a_time_of_any_date_reads_back_as_it_was_written(seen: Seen, time_ms: int) -> None:
    assert seen.decode(seen.encode(time_ms)) == time_ms


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_a_million_hashes_take_120_bytes_each_at_most(seen: Seen, traced: None) -> None:
    hashes, at_a_time = 1_000_000, 4000
    for start in range(0, hashes, at_a_time):
        time = start * GRANULES // hashes
        batch = range(start, start + at_a_time)
        seen.update({number.to_bytes(REMEMBERED_BYTES, "big"): time for number in batch})
    size_bytes, _ = tracemalloc.get_traced_memory()
    assert len(seen) == hashes
    assert size_bytes <= 120 * hashes
