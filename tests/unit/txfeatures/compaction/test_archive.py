"""Compaction of an archive, with crashes at each step and concurrent writers and readers."""

from collections.abc import Callable

import pytest

from tests.unit.txfeatures.archive.memory_bucket import Held, KilledError, MemoryBucket
from tests.unit.txfeatures.archive.parts import (
    ANEW,
    SHELF,
    TOPIC,
    as_athena_reads,
    part,
    record,
    shelf_of,
    store,
)
from txfeatures.archive.bucket import S3UnavailableError
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.reading import live_objects
from txfeatures.compaction.archive import CompactionReport, compact_archive, shelves_to_compact
from txfeatures.compaction.lease import KEY, LEASE_S
from txfeatures.compaction.shelf import CompactionPolicy
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime

GRACE_S = 3600.0
POLICY = CompactionPolicy(target_bytes=10_000_000, grace_s=GRACE_S)
NEXT_HOUR = Shelf(date="2024-10-19", hour="11", partition=0)
OTHER = Shelf(date="2024-10-19", hour="10", partition=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bucket(clock: ManualClock) -> MemoryBucket:
    bucket = MemoryBucket(clock=clock)
    for first in range(0, 12, 3):
        store(bucket, range(first, first + 3))
    store(bucket, range(4), shelf=OTHER)
    store(bucket, range(4, 6), shelf=OTHER)
    store(bucket, range(12, 14), shelf=NEXT_HOUR)
    return bucket


ROWS = sorted([(0, n) for n in range(14)] + [(1, n) for n in range(6)])


def compact(
    bucket: MemoryBucket,
    *,
    policy: CompactionPolicy = POLICY,
    is_dry_run: bool = False,
    start_s: int | None = None,
    end_s: int | None = None,
    owner: str = "test",
) -> CompactionReport:
    return compact_archive(
        bucket,
        policy,
        runtime=Runtime(metrics=Metrics("compact"), clock=bucket.clock),
        owner=owner,
        start_s=start_s,
        end_s=end_s,
        is_dry_run=is_dry_run,
    )


def keys(bucket: MemoryBucket) -> list[str]:
    return [key for key in sorted(bucket.objects) if key.endswith(".parquet")]


def test_small_objects_of_an_hour_and_partition_become_one(bucket: MemoryBucket) -> None:
    report = compact(bucket)
    assert live_objects(bucket) == [
        ObjectName(shelf=SHELF, first=0, last=11),
        ObjectName(shelf=OTHER, first=0, last=5),
        ObjectName(shelf=NEXT_HOUR, first=12),
    ]
    assert as_athena_reads(bucket.objects) == ROWS
    assert (report.shelves, report.counts.merged, report.counts.made) == (2, 6, 2)
    assert (report.counts.deleted, report.counts.kept) == (0, 6)
    assert report.failures == []


def test_replaced_objects_stay_for_their_readers_and_then_go(
    bucket: MemoryBucket, clock: ManualClock
) -> None:
    compact(bucket)
    assert len(keys(bucket)) == 9
    clock.advance(GRACE_S - 1)
    assert compact(bucket).counts.kept == 6
    clock.advance(1)
    assert compact(bucket).counts.deleted == 6
    assert len(keys(bucket)) == 3
    assert as_athena_reads(bucket.objects) == ROWS


def test_a_second_run_finds_nothing_to_do(bucket: MemoryBucket, clock: ManualClock) -> None:
    compact(bucket)
    clock.advance(GRACE_S)
    compact(bucket)
    before = {key: held for key, held in bucket.objects.items() if key != KEY}
    assert compact(bucket).shelves == 0
    assert {key: held for key, held in bucket.objects.items() if key != KEY} == before


def test_a_dry_run_says_the_same_and_changes_nothing(bucket: MemoryBucket) -> None:
    before = dict(bucket.objects)
    planned = compact(bucket, is_dry_run=True).counts
    assert bucket.objects == before
    done = compact(bucket).counts
    assert (planned.merged, planned.made, planned.bytes) == (done.merged, done.made, done.bytes)


def test_only_the_hours_asked_for_are_compacted(bucket: MemoryBucket) -> None:
    store(bucket, range(14, 16), shelf=NEXT_HOUR)
    compact(bucket, start_s=NEXT_HOUR.start_s)
    assert live_objects(bucket)[-1] == ObjectName(shelf=NEXT_HOUR, first=12, last=15)
    assert len(live_objects(bucket)) == 7
    compact(bucket, end_s=NEXT_HOUR.start_s)
    assert len(live_objects(bucket)) == 3


def test_objects_that_come_later_join_the_compacted_one(
    bucket: MemoryBucket, clock: ManualClock
) -> None:
    compact(bucket)
    store(bucket, range(20, 23))
    rows = sorted([*ROWS, (0, 20), (0, 21), (0, 22)])
    assert as_athena_reads(bucket.objects) == rows
    compact(bucket)
    assert as_athena_reads(bucket.objects) == rows
    assert live_objects(bucket)[0] == ObjectName(shelf=SHELF, first=0, last=22)
    clock.advance(GRACE_S)
    compact(bucket)
    assert as_athena_reads(bucket.objects) == rows
    assert len(keys(bucket)) == 3


def test_a_part_that_is_written_again_after_it_was_compacted_does_not_come_back(
    bucket: MemoryBucket, clock: ManualClock
) -> None:
    compact(bucket)
    clock.advance(GRACE_S)
    compact(bucket)
    again = store(bucket, range(3, 6))  # by a writer that crashed before its commit
    assert again.key in bucket.objects
    assert as_athena_reads(bucket.objects) == ROWS
    compact(bucket)
    assert again.key not in bucket.objects
    assert as_athena_reads(bucket.objects) == ROWS


def test_a_part_that_was_stored_but_not_made_live_yet_is_not_deleted(
    bucket: MemoryBucket, clock: ManualClock
) -> None:
    name, body, rows = part(range(20, 23))
    store_object(bucket, name, body, rows=rows)
    compact(bucket)
    clock.advance(2 * GRACE_S)
    compact(bucket)
    Manifests(bucket).add(name)
    assert as_athena_reads(bucket.objects) == sorted([*ROWS, (0, 20), (0, 21), (0, 22)])


def test_objects_stay_below_the_size_asked_for(bucket: MemoryBucket) -> None:
    for first in range(20, 120, 10):
        store(bucket, range(first, first + 10))
    largest = max(len(bucket.objects[key].body) for key in keys(bucket))
    compact(bucket, policy=CompactionPolicy(target_bytes=3 * largest, grace_s=GRACE_S))
    live = live_objects(bucket)
    assert 3 < len(live) < 12
    assert all(len(bucket.objects[name.key].body) <= 3 * largest for name in live)
    assert len(as_athena_reads(bucket.objects)) == len(ROWS) + 100


def test_any_number_of_objects_is_one_pass(clock: ManualClock) -> None:
    bucket = MemoryBucket(clock=clock)
    manifests, names = Manifests(bucket), []
    for first in range(300):
        name, body, rows = part([first])
        store_object(bucket, name, body, rows=rows)
        names.append(name)
    manifests.replace(manifests.read(SHELF), names)
    compact(bucket)
    assert live_objects(bucket) == [ObjectName(shelf=SHELF, first=0, last=299)]
    assert as_athena_reads(bucket.objects) == [(0, n) for n in range(300)]


def test_a_shelf_that_can_not_be_compacted_is_left_alone_and_named(bucket: MemoryBucket) -> None:
    name = live_objects(bucket)[0]
    bucket.objects[name.key] = Held(body=b"PAR1 spoilt", modified_s=0.0)
    before = Manifests(bucket).read(SHELF).live
    report = compact(bucket)
    assert len(report.failures) == 1
    assert "txfeatures audit" in report.failures[0]
    assert Manifests(bucket).read(SHELF).live == before
    assert Manifests(bucket).read(OTHER).live == (ObjectName(shelf=OTHER, first=0, last=5),)


def test_a_live_object_that_is_gone_is_said_so(bucket: MemoryBucket) -> None:
    name = live_objects(bucket)[0]
    del bucket.objects[name.key]
    (failure,) = compact(bucket).failures
    assert failure == f"{SHELF.manifest} names {name.key}, which is gone; restore that object"


def test_a_second_compaction_at_the_same_time_is_refused(bucket: MemoryBucket) -> None:
    def compact_too(operation: str, key: str) -> None:
        if operation == "put" and key.endswith(".parquet"):
            bucket.before = lambda _operation, _key: None
            with pytest.raises(FatalError, match="first compacts this archive"):
                compact(bucket, owner="second")

    bucket.before = compact_too
    compact(bucket, owner="first")
    assert as_athena_reads(bucket.objects) == ROWS


def test_s3_that_refuses_now_and_then_is_asked_again(bucket: MemoryBucket) -> None:
    calls = 0

    def refuse(_operation: str, _key: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 1 or calls % 9 == 0:
            raise S3UnavailableError("SlowDown", "S3: slow down")

    bucket.before = refuse
    report = compact(bucket)
    bucket.before = lambda _operation, _key: None
    assert report.failures == []
    assert as_athena_reads(bucket.objects) == ROWS
    assert len(live_objects(bucket)) == 3


def test_s3_that_goes_on_refusing_ends_the_run_with_nothing_half_done(
    bucket: MemoryBucket,
) -> None:
    def refuse(operation: str, key: str) -> None:
        if operation == "put" and key.endswith(".parquet"):
            raise S3UnavailableError("SlowDown", "S3: slow down")

    bucket.before = refuse
    with pytest.raises(TransientError, match="slow down"):
        compact(bucket)
    assert as_athena_reads(bucket.objects) == ROWS


def steps(bucket: MemoryBucket, *, clock: ManualClock) -> list[tuple[str, str]]:
    """Return the calls of a run in order."""
    seen: list[tuple[str, str]] = []
    copy = MemoryBucket(dict(bucket.objects), clock=ManualClock(clock.now()))
    copy.before = lambda operation, key: seen.append((operation, key))
    compact(copy, policy=CompactionPolicy(target_bytes=POLICY.target_bytes, grace_s=0.0))
    return seen


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("grace_s", [0.0, GRACE_S], ids=["no_grace", "grace"])
def test_a_kill_at_any_step_leaves_the_same_rows_and_the_next_run_finishes(
    bucket: MemoryBucket, clock: ManualClock, when: str, grace_s: float
) -> None:
    policy = CompactionPolicy(target_bytes=POLICY.target_bytes, grace_s=grace_s)
    kinds = {operation for operation, _ in steps(bucket, clock=clock)}
    assert kinds == {"list", "get", "download", "put", "put_if", "delete"}
    count = len(steps(bucket, clock=clock))
    seen_by_readers = 0
    for number in range(1, count + 1):
        objects, now = dict(bucket.objects), ManualClock(clock.now())
        victim = MemoryBucket(objects, clock=now)

        def look(_operation: str, _key: str, objects: dict[str, Held] = objects) -> None:
            nonlocal seen_by_readers
            seen_by_readers += 1
            assert as_athena_reads(objects) == ROWS

        die = killer(number)
        victim.before = both(die, look) if when == "before" else look
        victim.after = both(look, die) if when == "after" else look
        try:
            compact(victim, policy=policy, owner="victim")
        except KilledError:
            assert as_athena_reads(objects) == ROWS
        now.advance(LEASE_S)
        compact(MemoryBucket(objects, clock=now), policy=policy, owner="next")
        assert as_athena_reads(objects) == ROWS
        now.advance(GRACE_S)
        compact(MemoryBucket(objects, clock=now), policy=policy, owner="last")
        assert as_athena_reads(objects) == ROWS
        assert len([key for key in objects if key.endswith(".parquet")]) == 3, number
    assert seen_by_readers > count


Hook = Callable[[str, str], None]


def killer(number: int) -> Hook:
    """Return a hook that kills the process at its ``number``-th call and every later one."""
    calls = 0

    def die(_operation: str, _key: str) -> None:
        nonlocal calls
        calls += 1
        if calls >= number:
            raise KilledError

    return die


def both(one: Hook, other: Hook) -> Hook:
    def hook(operation: str, key: str) -> None:
        one(operation, key)
        other(operation, key)

    return hook


def test_a_reader_that_began_before_the_swap_finds_its_objects(
    bucket: MemoryBucket, clock: ManualClock
) -> None:
    names = live_objects(bucket)
    compact(bucket)
    clock.advance(GRACE_S - 1)
    compact(bucket)
    assert all(name.key in bucket.objects for name in names)


def test_shelves_to_compact_are_found_by_hour() -> None:
    bucket = MemoryBucket()
    later = Shelf(date="2024-10-20", hour="00", partition=0)
    eleven, two = (Shelf(date="2024-10-19", hour="10", partition=n) for n in (11, 2))
    for shelf in (later, eleven, two, SHELF):
        store(bucket, [0], shelf=shelf)
        store(bucket, [1], shelf=shelf)
    store(bucket, [0], shelf=NEXT_HOUR)
    assert list(shelves_to_compact(bucket)) == [SHELF, two, eleven, later]
    assert list(shelves_to_compact(bucket, start_s=NEXT_HOUR.start_s)) == [later]
    assert list(shelves_to_compact(bucket, end_s=later.start_s)) == [SHELF, two, eleven]


def test_records_of_the_support_code_have_their_offset_as_fee() -> None:
    assert b'"fee":7' in (record(7).value or b"")


@pytest.mark.parametrize(("old", "new"), [("", TOPIC), (TOPIC, ANEW), (ANEW, TOPIC)])
def test_transactions_of_a_topic_and_of_one_made_anew_stay_apart(
    clock: ManualClock, old: str, new: str
) -> None:
    bucket = MemoryBucket(clock=clock)
    seen: list[list[tuple[int, int]]] = []
    rows: list[tuple[int, int]] = []

    def add(offsets: range, topic: str) -> None:
        store(bucket, offsets, shelf=shelf_of(topic))
        rows.extend((0, offset) for offset in offsets)

    for offsets in (range(1000, 1003), range(1003, 1006)):
        add(offsets, old)
    for offsets in (range(3), range(3, 6)):
        add(offsets, new)
    bucket.after = lambda *_: seen.append(as_athena_reads(bucket.objects))
    compact(bucket)
    assert all(each == sorted(rows) for each in seen)
    for offsets in (range(6, 9), range(9, 12)):
        add(offsets, new)
    seen.clear()
    for _ in range(3):
        clock.advance(GRACE_S)
        assert compact(bucket).failures == []
    assert len(rows) == 18
    assert all(each == sorted(rows) for each in seen)
    assert live_objects(bucket) == [
        ObjectName(shelf=shelf_of(topic), first=first, last=last)
        for topic, first, last in sorted([(old, 1000, 1005), (new, 0, 11)])
    ]
    assert keys(bucket) == [name.key for name in live_objects(bucket)]


def test_foreign_objects_are_left_alone(bucket: MemoryBucket, clock: ManualClock) -> None:
    folder = SHELF.objects.rpartition("/")[0]
    foreign = [
        "archive/deduped/",
        "archive/deduped_$folder$",
        "archive/deduped/_SUCCESS",
        f"{folder}/",
        f"{folder}/.deduped-0-00000000000000000000.parquet.crc",
        f"{folder}/.spark-staging/deduped-0-00000000000000000000.parquet",
        f"{folder}/deduped.odd-0-00000000000000000000.parquet",
        "archive/manifests/",
        f"{SHELF.manifest.rpartition('/')[0]}/",
        f"{SHELF.manifest}_$folder$",
    ]
    for key in foreign:
        bucket.put(key, b"", content_type="")
    for _ in range(2):
        assert compact(bucket).failures == []
        clock.advance(GRACE_S)
    assert len(live_objects(bucket)) == 3
    assert all(key in bucket.objects for key in foreign)


def test_an_object_that_was_emptied_is_reported(bucket: MemoryBucket) -> None:
    name = live_objects(bucket)[0]
    bucket.put(name.key, b"", content_type="")
    (failure,) = compact(bucket).failures
    assert "run `txfeatures audit`" in failure
