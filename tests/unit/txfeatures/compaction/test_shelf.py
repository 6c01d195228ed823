"""Compaction of one shelf with other processes acting on it at every point of the run."""

import threading
from collections.abc import Callable

import pytest

from tests.unit.txfeatures.archive.memory_bucket import Held, MemoryBucket
from tests.unit.txfeatures.archive.parts import SHELF, as_athena_reads, part, store
from txfeatures.archive.bucket import ChangedError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.compaction.shelf import CompactionPolicy, ShelfCompaction
from txfeatures.domain.errors import TransientError
from txfeatures.process.clock import ManualClock

NO_GRACE = CompactionPolicy(target_bytes=10_000_000, grace_s=0.0)
ROWS = [(0, n) for n in range(9)]
LATE = [(0, n) for n in range(20, 23)]

Action = Callable[[MemoryBucket], object]


def work(bucket: MemoryBucket) -> None:
    """Compact until no other process interferes, as a run does."""
    compaction = ShelfCompaction(bucket=bucket, policy=NO_GRACE, clock=bucket.clock)
    while True:
        try:
            compaction.compact(SHELF)
        except TransientError:
            continue
        return


def archived() -> dict[str, Held]:
    bucket = MemoryBucket()
    for first in range(0, 9, 3):
        store(bucket, range(first, first + 3))
    return bucket.objects


def during(actions: dict[int, Action], *, allowed: list[list[tuple[int, int]]]) -> MemoryBucket:
    """Compact, run each action before the call of its number, and read after every call."""
    objects, clock = archived(), ManualClock()
    others = MemoryBucket(objects, clock=clock)
    number = 0
    one_at_a_time = threading.Lock()

    def before(_operation: str, _key: str) -> None:
        nonlocal number
        with one_at_a_time:  # objects are fetched by several threads
            number += 1
            act(number)

    def act(number: int) -> None:
        if action := actions.get(number):
            action(others)

    def look(_operation: str, _key: str) -> None:
        assert as_athena_reads(objects) in allowed

    others.after = look
    work(MemoryBucket(objects, clock=clock, before=before, after=look))
    for late in (action for at, action in actions.items() if at > number):
        late(others)
    return others


def calls() -> int:
    count = 0

    def tell(_operation: str, _key: str) -> None:
        nonlocal count
        count += 1

    work(MemoryBucket(archived(), before=tell))
    return count


CALLS = calls()


def put_late(bucket: MemoryBucket) -> None:
    name, body, rows = part(range(20, 23))
    store_object(bucket, name, body, rows=rows)


def list_late(bucket: MemoryBucket) -> None:
    Manifests(bucket).add(part(range(20, 23))[0])


def finished(bucket: MemoryBucket, rows: list[tuple[int, int]]) -> None:
    for _ in range(2):
        work(bucket)
    assert as_athena_reads(bucket.objects) == rows
    live = Manifests(bucket).read(SHELF).live
    assert live == (ObjectName(shelf=SHELF, first=0, last=rows[-1][1]),)
    assert [key for key in bucket.objects if key.endswith(".parquet")] == [live[0].key]


@pytest.mark.parametrize("at", range(1, CALLS + 2))
def test_a_part_that_comes_at_any_moment_is_there_once(at: int) -> None:
    both = sorted(ROWS + LATE)
    bucket = during({at: lambda b: store(b, range(20, 23))}, allowed=[ROWS, both])
    finished(bucket, both)


@pytest.mark.parametrize("put_at", range(1, CALLS + 1))
def test_a_writer_that_stalls_between_its_two_steps_loses_nothing(put_at: int) -> None:
    both = sorted(ROWS + LATE)
    for list_at in range(put_at + 1, CALLS + 2):
        bucket = during({put_at: put_late, list_at: list_late}, allowed=[ROWS, both])
        finished(bucket, both)


@pytest.mark.parametrize("at", range(1, CALLS + 2))
def test_a_part_that_is_written_again_at_any_moment_never_stands_twice(at: int) -> None:
    bucket = during({at: lambda b: store(b, range(3, 6))}, allowed=[ROWS])
    finished(bucket, ROWS)


@pytest.mark.parametrize("at", range(1, CALLS + 1))
def test_a_second_compaction_without_a_lease_does_no_harm(at: int) -> None:
    bucket = during({at: work}, allowed=[ROWS])
    finished(bucket, ROWS)


@pytest.mark.parametrize("at", range(1, CALLS + 1))
def test_a_second_compaction_that_found_more_does_no_harm(at: int) -> None:
    def more(bucket: MemoryBucket) -> None:
        store(bucket, range(20, 23))
        work(bucket)

    both = sorted(ROWS + LATE)
    bucket = during({at: more}, allowed=[ROWS, both])
    finished(bucket, both)


def test_a_compaction_that_was_overtaken_says_so_instead_of_guessing() -> None:
    bucket = MemoryBucket(archived())
    compaction = ShelfCompaction(bucket=bucket, policy=NO_GRACE, clock=bucket.clock)

    def overtake(operation: str, _key: str) -> None:
        if operation == "list":
            bucket.before = lambda _operation, _key: None
            work(bucket)

    bucket.before = overtake
    with pytest.raises(ChangedError):
        compaction.compact(SHELF)
