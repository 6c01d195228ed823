"""The archive for whoever reads it: the live objects, their files, a relation of DuckDB.

DuckDB can read S3 by itself where its extension ``httpfs`` is installed; then the keys of
``live_objects`` are all that is needed. Here objects are fetched with boto3, which asks
for no extension.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from txfeatures.archive.bucket import Bucket, MissingError
from txfeatures.archive.layout import MANIFESTS, ObjectName, Shelf, hour_folder
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.schema import SCHEMA
from txfeatures.domain.errors import TransientError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

THREADS = 8


def live_objects(
    bucket: Bucket, *, start_s: int | None = None, end_s: int | None = None
) -> list[ObjectName]:
    """Return the objects that have every archived row once, by hour, partition and offset.

    Args:
        bucket: Where the archive lies.
        start_s: Only hours of feed time that end after this moment, epoch seconds.
        end_s: Only hours of feed time that begin before this moment. A transaction's own
            time may lie in another hour than the feed time at which it was seen.

    Raises:
        TransientError: S3 refuses for now.
        FatalError: There is no bucket, or a manifest is spoilt.
    """
    shelves = list(shelves_between(bucket, start_s=start_s, end_s=end_s))
    with ThreadPoolExecutor(THREADS, "manifest") as pool:
        manifests = pool.map(lambda shelf: Manifests(bucket).read(shelf), shelves)
        return [name for manifest in manifests for name in manifest.live]


def shelves_between(
    bucket: Bucket, *, start_s: int | None = None, end_s: int | None = None
) -> Iterator[Shelf]:
    """Yield the shelves that have a manifest, by date and hour."""
    after = f"{MANIFESTS}{hour_folder(start_s)}" if start_s is not None else ""
    for listed in bucket.list(MANIFESTS, after=after):
        shelf = Shelf.of_manifest(listed.key)
        if shelf is None:
            continue
        if end_s is not None and shelf.start_s >= end_s:
            return
        yield shelf


def fetch(bucket: Bucket, names: Sequence[ObjectName], directory: Path) -> list[Path]:
    """Write each object to a file of ``directory`` and return the files in the same order.

    A file that is there already is kept: what an object holds never changes.

    Raises:
        TransientError: S3 refuses for now, or an object is gone since a compaction
            replaced it longer ago than readers are given; list the live objects again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(THREADS, "fetch") as pool:
        return list(pool.map(lambda name: _fetch(bucket, name, directory), names))


def relation(connection: "DuckDBPyConnection", files: Sequence[Path]) -> "DuckDBPyRelation":
    """Return the rows of ``files`` with every column of ``SCHEMA``.

    Files of an older release may lack columns, which are null in their rows then; columns
    of a newer release come after ours.
    """
    nothing = connection.from_arrow(SCHEMA.empty_table())
    if not files:
        return nothing
    rows = connection.read_parquet([str(file) for file in files], union_by_name=True)
    missing = [
        f'CAST(NULL AS {kind}) AS "{name}"'
        for name, kind in zip(nothing.columns, nothing.types, strict=True)
        if name not in rows.columns
    ]
    return rows.project(", ".join(["*", *missing])) if missing else rows


def _fetch(bucket: Bucket, name: ObjectName, directory: Path) -> Path:
    path = directory / name.key.replace("/", "_")
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        try:
            bucket.download(name.key, unfinished)
        except MissingError as error:
            raise TransientError(
                f"{name.key} was compacted while the archive was read; run it again"
            ) from error
        unfinished.rename(path)
    return path
