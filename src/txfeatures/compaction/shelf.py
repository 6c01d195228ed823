"""One shelf compacted, so that a crash between any two steps hurts nobody.

1. Read the manifest, then list what is there.
2. For each run of small objects: fetch them, merge them into a file, store it under the
   name that says what it covers. Nobody reads it yet.
3. Replace the manifest, if it is still the one that was read: the one moment at which
   readers pass from the small objects to the large one.
4. Delete what the live objects cover, once the manifest is older than the longest read.

A crash after 2 leaves an object that the next run writes again, the same; one after 3
leaves dead objects, which step 4 of the next run deletes. What a writer stores again of
what was compacted meanwhile is covered, hence never live, and goes with step 4 too.
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
class Rules:
    """How to compact.

    Attributes:
        target_bytes: How large an object may become.
        grace_s: How long an object that is not live any more is kept for whoever still
            reads it; longer than any read lasts.
    """

    target_bytes: int
    grace_s: float


@dataclass(slots=True, kw_only=True)
class Done:
    """What was done, or in a dry run would be.

    Attributes:
        merged: Small objects that became part of larger ones.
        made: Larger objects.
        bytes: Bytes of the small ones.
        deleted: Objects deleted.
        kept: Dead objects that somebody may still read; a later run deletes them.
    """

    merged: int = 0
    made: int = 0
    bytes: int = 0
    deleted: int = 0
    kept: int = 0

    def add(self, other: "Done") -> None:
        """Add what was done elsewhere."""
        self.merged += other.merged
        self.made += other.made
        self.bytes += other.bytes
        self.deleted += other.deleted
        self.kept += other.kept


@dataclass(slots=True, kw_only=True)
class ShelfCompaction:
    """Compacts shelves of one bucket; for one thread.

    Raises:
        ChangedError: Somebody else changed the shelf meanwhile; call again.
        TransientError: S3 refuses for now; call again.
        FatalError: The shelf's objects are missing or not what they should be.
    """

    bucket: Bucket
    rules: Rules
    clock: Clock
    _manifests: Manifests = field(init=False)

    def __post_init__(self) -> None:
        self._manifests = Manifests(self.bucket)

    def look(self, shelf: Shelf) -> Done:
        """Say what there is to do, and do nothing."""
        manifest, there = self._present(shelf)
        waiting = groups(manifest.live, there, target_bytes=self.rules.target_bytes)
        done = Done(made=len(waiting))
        for group in waiting:
            done.merged += len(group)
            done.bytes += sum(there[name] for name in group)
        self._count_dead(done, manifest, dead(manifest, there))
        return done

    def work(self, shelf: Shelf) -> Done:
        """Do what there is to do; nothing if it is done already."""
        manifest, there = self._present(shelf)
        done = Done()
        for group in groups(manifest.live, there, target_bytes=self.rules.target_bytes):
            compacted = self._merge(group)
            manifest = self._manifests.replace(manifest, replaced(manifest.live, group, compacted))
            done.merged += len(group)
            done.made += 1
            done.bytes += sum(there[name] for name in group)
        if done.made:
            manifest = self._manifests.read(shelf)  # for when it was written
        found = dead(manifest, there)
        self._count_dead(done, manifest, found)
        if done.deleted:
            self.bucket.delete([name.key for name in found])
        return done

    def _present(self, shelf: Shelf) -> tuple[Manifest, Mapping[ObjectName, int]]:
        # In this order: what is live by the manifest is there when it is listed later.
        manifest = self._manifests.read(shelf)
        listing = self.bucket.list(shelf.objects)
        named = ((ObjectName.parse(listed.key), listed.size_bytes) for listed in listing)
        there = {name: size_bytes for name, size_bytes in named if name is not None}
        for name in manifest.live:
            if name not in there:
                if self._manifests.read(shelf).etag != manifest.etag:
                    raise ChangedError("changed", f"{shelf.manifest} was written by somebody else")
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

    def _count_dead(self, done: Done, manifest: Manifest, found: list[ObjectName]) -> None:
        if self.clock.now() - manifest.modified_s >= self.rules.grace_s:
            done.deleted = len(found)
        else:
            done.kept = len(found)
