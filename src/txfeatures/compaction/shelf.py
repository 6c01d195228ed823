"""Compaction of one shelf, safe against a crash between any two steps.

1. Read the manifest, then list the objects.
2. For each run of small objects: fetch them, merge them into a file, and store it under the
   name that holds its offsets. No reader knows of it yet.
3. Replace the manifest if it is still the one that was read: at this moment readers switch
   from the small objects to the large one.
4. Delete the objects that live ones cover, once the manifest is older than the longest read.

A crash after step 2 leaves an object that the next run writes again with the same bytes; a
crash after step 3 leaves dead objects, which step 4 of the next run deletes. A part that a
writer stores again after its compaction is covered, hence never live, and deleted by step 4.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from txfeatures.archive.bucket import Bucket, ChangedError
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifest, Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.reading import fetch
from txfeatures.compaction.merging import merge
from txfeatures.compaction.plan import Group, dead, groups, replaced
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionPolicy:
    """The limits of a compaction.

    Attributes:
        target_bytes: Largest size of the small objects merged into one.
        grace_s: Seconds for which dead objects are kept for their readers; longer than any
            read lasts.
    """

    target_bytes: int
    grace_s: float


@dataclass(slots=True, kw_only=True)
class CompactionCounts:
    """Counts of the work done or, in a dry run, to do.

    Attributes:
        merged: Small objects merged into larger ones.
        made: Larger objects.
        bytes: Bytes of the small objects.
        deleted: Dead objects deleted.
        kept: Dead objects within their grace; a later run deletes them.
    """

    merged: int = 0
    made: int = 0
    bytes: int = 0
    deleted: int = 0
    kept: int = 0

    def add(self, other: "CompactionCounts") -> None:
        """Add the counts of another shelf."""
        self.merged += other.merged
        self.made += other.made
        self.bytes += other.bytes
        self.deleted += other.deleted
        self.kept += other.kept


@dataclass(slots=True, kw_only=True)
class ShelfCompaction:
    """The compaction of shelves of one bucket, for one thread.

    Raises:
        ChangedError: Another process has changed the shelf meanwhile; call again.
        TransientError: S3 refuses for now; call again.
        FatalError: An object of the shelf is missing or damaged.
    """

    bucket: Bucket
    policy: CompactionPolicy
    clock: Clock
    _manifests: Manifests = field(init=False)

    def __post_init__(self) -> None:
        self._manifests = Manifests(self.bucket)

    def preview(self, shelf: Shelf) -> CompactionCounts:
        """Return the counts of the work to do, and do nothing."""
        manifest, there = self._present(shelf)
        return self._counts(manifest, there, self._groups(manifest, there))

    def compact(self, shelf: Shelf) -> CompactionCounts:
        """Merge and delete objects of a shelf, and return the counts."""
        manifest, there = self._present(shelf)
        waiting = self._groups(manifest, there)
        for group in waiting:
            compacted = self._merge(group)
            manifest = self._manifests.replace(manifest, replaced(manifest.live, group, compacted))
        if waiting:
            manifest = self._manifests.read(shelf)  # for the time of its last write
        counts = self._counts(manifest, there, waiting)
        if counts.deleted:
            self.bucket.delete([name.key for name in dead(manifest, there)])
        return counts

    def _groups(self, manifest: Manifest, there: Mapping[ObjectName, int]) -> list[Group]:
        return groups(manifest.live, there, target_bytes=self.policy.target_bytes)

    def _counts(
        self, manifest: Manifest, there: Mapping[ObjectName, int], merged: list[Group]
    ) -> CompactionCounts:
        found = len(dead(manifest, there))
        is_over = self.clock.now() - manifest.modified_s >= self.policy.grace_s
        names = [name for group in merged for name in group]
        return CompactionCounts(
            merged=len(names),
            made=len(merged),
            bytes=sum(there[name] for name in names),
            deleted=found if is_over else 0,
            kept=0 if is_over else found,
        )

    def _present(self, shelf: Shelf) -> tuple[Manifest, Mapping[ObjectName, int]]:
        # In this order: an object that the manifest lists exists when it is listed later.
        manifest = self._manifests.read(shelf)
        listing = self.bucket.list(shelf.objects)
        named = ((ObjectName.parse(listed.key), listed.size_bytes) for listed in listing)
        there = {name: size_bytes for name, size_bytes in named if name is not None}
        for name in manifest.live:
            if name not in there:
                if self._manifests.read(shelf).etag != manifest.etag:
                    raise ChangedError("changed", f"another process has written {shelf.manifest}")
                raise FatalError(
                    f"{shelf.manifest} names {name.key}, which is gone; restore that object"
                )
        return manifest, there

    def _merge(self, group: Group) -> ObjectName:
        shelf = group[0].shelf
        with tempfile.TemporaryDirectory(prefix="txfeatures-compact-") as folder:
            files = fetch(self.bucket, group, Path(folder))
            path = Path(folder) / "merged.parquet"
            merged = merge(files, path, partition=shelf.partition)
            name = ObjectName(shelf=shelf, first=merged.first, last=merged.last)
            with path.open("rb") as body:
                store_object(self.bucket, name, body, rows=merged.rows)
        return name
