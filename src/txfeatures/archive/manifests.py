"""Lists of the live objects of the archive: one manifest per shelf, replaced as a whole.

A manifest is a text with the address of one live object per line, the format that Athena
reads as a partition of a table (``SymlinkTextInputFormat``). S3 replaces an object
atomically, so a reader sees either the old or the new state of a shelf. Writers compare
and set (If-Match), so none undoes another's work. A manifest only ever grows or has a run
of its objects replaced by one that covers them; no state recurs, so an unchanged ETag
means an unchanged shelf.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from txfeatures.archive.bucket import Bucket, ChangedError, MissingError
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.domain.errors import FatalError

CACHED_SHELVES = 1000
ATTEMPTS = 20
"""Far more than a shelf has writers: the owner of its partition and a compaction."""

_REMEDY = "restore its previous version, or rewrite it from a listing without dead objects"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One state of a shelf.

    Attributes:
        shelf: The shelf.
        live: Its live objects, by offset.
        etag: ETag of the manifest; None if there is no manifest yet.
        modified_s: Time of the last write, epoch seconds; 0 if unknown.
    """

    shelf: Shelf
    live: tuple[ObjectName, ...] = ()
    etag: str | None = None
    modified_s: float = 0.0

    def covers(self, name: ObjectName) -> bool:
        """Return whether a live object covers ``name``, which is then dead for good."""
        return any(each.covers(name) for each in self.live)


class Manifests:
    """The manifests of a bucket, for one thread; every call may raise the errors of ``Bucket``."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._cache: OrderedDict[Shelf, Manifest] = OrderedDict()

    def read(self, shelf: Shelf) -> Manifest:
        """Return the present state of a shelf, empty if it has no manifest.

        Raises:
            FatalError: The manifest is empty, or lists a key that is no object of the shelf.
        """
        try:
            stored = self._bucket.get(shelf.manifest)
        except MissingError:
            return self._cached(Manifest(shelf=shelf))
        if not (live := tuple(self._names(shelf, stored.body.decode(errors="replace")))):
            raise FatalError(f"{shelf.manifest} is empty; {_REMEDY}")
        return self._cached(
            Manifest(shelf=shelf, live=live, etag=stored.etag, modified_s=stored.modified_s)
        )

    def add(self, name: ObjectName) -> None:
        """Make a stored object live; one that is dead or live already stays so.

        Raises:
            S3UnavailableError: The object may be live or not; call again.
        """
        manifest = self._cache.get(name.shelf) or self.read(name.shelf)
        for _ in range(ATTEMPTS - 1):
            try:
                self._add(manifest, name)
            except ChangedError:
                manifest = self.read(name.shelf)
            else:
                return
        self._add(manifest, name)

    def replace(self, manifest: Manifest, live: Iterable[ObjectName]) -> Manifest:
        """Replace ``manifest`` by one with the objects ``live``, and return it.

        Raises:
            ChangedError: ``manifest`` is no longer the present state.
        """
        names = tuple(sorted(live, key=lambda name: name.first))
        lines = "".join(f"s3://{self._bucket.name}/{name.key}\n" for name in names)
        try:
            etag = self._bucket.put_if(manifest.shelf.manifest, lines.encode(), etag=manifest.etag)
        except BaseException:
            self._cache.pop(manifest.shelf, None)  # S3 may have written it or not
            raise
        return self._cached(Manifest(shelf=manifest.shelf, live=names, etag=etag))

    def _add(self, manifest: Manifest, name: ObjectName) -> None:
        if name not in manifest.live and not manifest.covers(name):
            self.replace(manifest, (*manifest.live, name))

    def _cached(self, manifest: Manifest) -> Manifest:
        self._cache[manifest.shelf] = manifest
        self._cache.move_to_end(manifest.shelf)
        if len(self._cache) > CACHED_SHELVES:
            self._cache.popitem(last=False)
        return manifest

    def _names(self, shelf: Shelf, text: str) -> Iterable[ObjectName]:
        start = f"s3://{self._bucket.name}/"
        for line in text.splitlines():
            name = ObjectName.parse(line.removeprefix(start))
            if name is None or name.shelf != shelf:
                raise FatalError(
                    f"{shelf.manifest} lists {line!r}, which is no object of that hour; {_REMEDY}"
                )
            yield name
