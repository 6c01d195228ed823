"""Compaction of the whole archive, shelf by shelf, under a lease."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from txfeatures.archive.bucket import Bucket
from txfeatures.archive.layout import PREFIX, ObjectName, Shelf, hour_folder
from txfeatures.compaction.lease import Lease
from txfeatures.compaction.shelf import CompactionCounts, CompactionPolicy, ShelfCompaction
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.process.logs import get_logger
from txfeatures.process.progress import Progress, unseen
from txfeatures.process.runtime import Runtime, backoff_s

ATTEMPTS = 8
"""Attempts per shelf; the waits between them add up to 22 s, more than AWS throttles a call for."""

T = TypeVar("T")

log = get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class CompactionReport:
    """The result of a run.

    Attributes:
        shelves: Number of shelves with more than one object.
        counts: Counts of the objects compacted and deleted.
        failures: A message for each shelf that was left unchanged.
    """

    shelves: int
    counts: CompactionCounts = field(default_factory=CompactionCounts)
    failures: list[str] = field(default_factory=list)


def compact_archive(
    bucket: Bucket,
    policy: CompactionPolicy,
    *,
    runtime: Runtime,
    owner: str,
    start_s: int | None = None,
    end_s: int | None = None,
    is_dry_run: bool = False,
    progress: Progress = unseen,
) -> CompactionReport:
    """Compact every shelf that has more than one object.

    Args:
        bucket: Bucket of the archive.
        policy: Size of the objects and grace of the dead ones.
        runtime: Its clock, and its flag to stop after the current shelf.
        owner: Name of this run, which others read in the lease.
        start_s: Only hours of feed time from that of this moment on, epoch seconds.
        end_s: Only hours of feed time that begin before this moment.
        is_dry_run: Count the work without doing it.
        progress: Called after each shelf.

    Raises:
        FatalError: Another compaction holds the lease, or there is no bucket.
        TransientError: S3 keeps refusing; shelves that were compacted stay so.
    """
    shelves = _again(
        lambda: list(shelves_to_compact(bucket, start_s=start_s, end_s=end_s)), runtime
    )
    report = CompactionReport(shelves=len(shelves))
    compaction = ShelfCompaction(bucket=bucket, policy=policy, clock=runtime.clock)
    if is_dry_run:
        for number, shelf in enumerate(shelves, 1):
            _one(report, shelf, compaction.preview, runtime)
            progress(number, len(shelves))
        return report
    lease = Lease(bucket, runtime.clock, owner)
    _again(lease.acquire, runtime)
    try:
        for number, shelf in enumerate(shelves, 1):
            if runtime.stop.is_set():
                break
            _again(lease.renew, runtime)
            _one(report, shelf, compaction.compact, runtime)
            progress(number, len(shelves))
    finally:
        lease.release()
    return report


def shelves_to_compact(
    bucket: Bucket, *, start_s: int | None = None, end_s: int | None = None
) -> Iterator[Shelf]:
    """Yield the shelves with more than one object, live or dead, holding one hour at a time."""
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


def _one(
    report: CompactionReport,
    shelf: Shelf,
    work: Callable[[Shelf], CompactionCounts],
    runtime: Runtime,
) -> None:
    try:
        counts = _again(lambda: work(shelf), runtime)
    except FatalError as error:
        log.error("shelf_failed", manifest=shelf.manifest, error=str(error))
        report.failures.append(str(error))
    else:
        report.counts.add(counts)


def _again(work: Callable[[], T], runtime: Runtime) -> T:
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except TransientError as error:
            log.warning("tried_again", error=str(error), attempt=attempt)
            if runtime.clock.wait(runtime.stop, backoff_s(attempt)):
                raise
    return work()
