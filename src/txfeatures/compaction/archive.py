"""The whole archive compacted, shelf by shelf, under a lease."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from txfeatures.archive.bucket import Bucket
from txfeatures.archive.layout import PREFIX, ObjectName, Shelf, hour_folder
from txfeatures.compaction.lease import Lease
from txfeatures.compaction.shelf import Done, Rules, ShelfCompaction
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, backoff_s

ATTEMPTS = 6
"""Tries of one shelf; the waits between them add up to six seconds."""

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Told after each shelf: how many are done, and of how many."""

log = get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run did.

    Attributes:
        shelves: How many shelves had more than one object.
        done: What was done to them.
        failures: A sentence for each shelf that was left as it is.
    """

    shelves: int
    done: Done = field(default_factory=Done)
    failures: list[str] = field(default_factory=list)


def compact_archive(
    bucket: Bucket,
    rules: Rules,
    *,
    runtime: Runtime,
    owner: str,
    start_s: int | None = None,
    end_s: int | None = None,
    is_dry_run: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Compact every shelf that has more than one object.

    Args:
        bucket: Where the archive lies.
        rules: How large, and how long dead objects are kept.
        runtime: Its clock, and its flag to stop after the shelf in hand.
        owner: Who this is, for whoever finds the lease taken.
        start_s: Only hours of feed time from that of this moment on, epoch seconds.
        end_s: Only hours of feed time that begin before this moment.
        is_dry_run: Only say what would be done.
        progress: Told after each shelf.

    Raises:
        FatalError: Another compaction is at it, or there is no bucket.
        TransientError: S3 goes on refusing; what was done stays done.
    """
    shelves = _again(lambda: list(crowded(bucket, start_s=start_s, end_s=end_s)), runtime)
    report = Report(shelves=len(shelves))
    compaction = ShelfCompaction(bucket=bucket, rules=rules, clock=runtime.clock)
    if is_dry_run:
        for number, shelf in enumerate(shelves, 1):
            _one(report, shelf, compaction.look, runtime)
            progress(number, len(shelves))
        return report
    lease = Lease(bucket, runtime.clock, owner)
    _again(lease.take, runtime)
    try:
        for number, shelf in enumerate(shelves, 1):
            if runtime.stop.is_set():
                break
            _again(lease.keep, runtime)
            _one(report, shelf, compaction.work, runtime)
            progress(number, len(shelves))
    finally:
        lease.give_back()
    return report


def crowded(
    bucket: Bucket, *, start_s: int | None = None, end_s: int | None = None
) -> Iterator[Shelf]:
    """Yield the shelves with more than one object, live or not, by hour; memory is an hour's."""
    after = f"{PREFIX}{hour_folder(start_s)}" if start_s is not None else ""
    folder, found = "", Counter[Shelf]()
    for listed in bucket.list(PREFIX, after=after):
        name = ObjectName.parse(listed.key)
        if name is None:
            continue
        if end_s is not None and name.shelf.start_s >= end_s:
            break
        if name.shelf.folder != folder:
            yield from sorted(shelf for shelf, count in found.items() if count > 1)
            folder, found = name.shelf.folder, Counter()
        found[name.shelf] += 1
    yield from sorted(shelf for shelf, count in found.items() if count > 1)


def _one(report: Report, shelf: Shelf, work: Callable[[Shelf], Done], runtime: Runtime) -> None:
    try:
        done = _again(lambda: work(shelf), runtime)
    except FatalError as error:
        log.error("shelf_failed", manifest=shelf.manifest, error=str(error))
        report.failures.append(str(error))
    else:
        report.done.add(done)


def _again(work: Callable[[], T], runtime: Runtime) -> T:
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except TransientError as error:
            log.warning("tried_again", error=str(error), attempt=attempt)
            if runtime.clock.wait(runtime.stop, backoff_s(attempt)):
                raise
    return work()
