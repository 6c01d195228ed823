"""Which objects of the archive are live: one manifest a shelf, replaced as a whole.

A manifest is a text with the address of each live object in a line of its own, which is
the form that Athena reads as a table's partition (``SymlinkTextInputFormat``). S3
replaces an object atomically, so a reader sees one state of a shelf or the next one and
nothing in between. Writers compare and set (If-Match), so none undoes another's work.
A manifest only ever grows or has a run of its objects replaced by one that covers them;
no state comes twice, so an ETag that still fits means that nothing has changed.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from txfeatures.archive.bucket import Bucket, ChangedError, MissingError
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.domain.errors import FatalError

CACHED_SHELVES = 1000
ATTEMPTS = 20
"""Far more than there can be writers of a shelf: its partition's owner and a compaction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One state of a shelf.

    Attributes:
        shelf: Whose.
        live: Its live objects, by offset.
        etag: What S3 calls this state; None if there is no manifest yet.
        modified_s: When it was written, epoch seconds; 0 if that is not known.
    """

    shelf: Shelf
    live: tuple[ObjectName, ...] = ()
    etag: str | None = None
    modified_s: float = 0.0

    def makes_dead(self, name: ObjectName) -> bool:
        """Whether a live object covers ``name``: it is of no use, now or ever."""
        return any(each.covers(name) for each in self.live)


class Manifests:
    """The manifests of a bucket; every call may raise what ``Bucket`` raises.

    For one thread.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._last_seen: OrderedDict[Shelf, Manifest] = OrderedDict()

    def read(self, shelf: Shelf) -> Manifest:
        """Return the present state of a shelf, an empty one if nothing was archived there.

        Raises:
            FatalError: The manifest names what can't be an object of the shelf.
        """
        try:
            stored = self._bucket.get(shelf.manifest)
        except MissingError:
            return self._saw(Manifest(shelf=shelf))
        live = tuple(self._names(shelf, stored.body.decode()))
        return self._saw(
            Manifest(shelf=shelf, live=live, etag=stored.etag, modified_s=stored.modified_s)
        )

    def add(self, name: ObjectName) -> None:
        """Make an object live that has been stored; one that is dead or live stays so.

        Raises:
            S3UnavailableError: It is not known whether it is live; call again.
        """
        manifest = self._last_seen.get(name.shelf) or self.read(name.shelf)
        for _ in range(ATTEMPTS - 1):
            try:
                self._add(manifest, name)
            except ChangedError:
                manifest = self.read(name.shelf)
            else:
                return
        self._add(manifest, name)

    def replace(self, manifest: Manifest, live: Iterable[ObjectName]) -> Manifest:
        """Put another state in the place of ``manifest``.

        Raises:
            ChangedError: It is not the present state any more.
        """
        names = tuple(sorted(live, key=lambda name: name.first))
        lines = "".join(f"s3://{self._bucket.name}/{name.key}\n" for name in names)
        try:
            etag = self._bucket.put_if(manifest.shelf.manifest, lines.encode(), etag=manifest.etag)
        except BaseException:
            self._last_seen.pop(manifest.shelf, None)  # written or not: only S3 knows
            raise
        return self._saw(Manifest(shelf=manifest.shelf, live=names, etag=etag))

    def _add(self, manifest: Manifest, name: ObjectName) -> None:
        if name not in manifest.live and not manifest.makes_dead(name):
            self.replace(manifest, (*manifest.live, name))

    def _saw(self, manifest: Manifest) -> Manifest:
        self._last_seen[manifest.shelf] = manifest
        self._last_seen.move_to_end(manifest.shelf)
        if len(self._last_seen) > CACHED_SHELVES:
            self._last_seen.popitem(last=False)
        return manifest

    def _names(self, shelf: Shelf, text: str) -> Iterable[ObjectName]:
        start = f"s3://{self._bucket.name}/"
        for line in text.splitlines():
            name = ObjectName.parse(line.removeprefix(start))
            if name is None or name.shelf != shelf:
                raise FatalError(
                    f"{shelf.manifest} names {line!r}, which is no object of that hour; restore "
                    "its former version, or write it anew from a listing without dead objects"
                )
            yield name
