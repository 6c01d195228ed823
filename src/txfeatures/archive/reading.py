"""Readers of the archive: its live objects, their files, and a DuckDB relation.

DuckDB can read S3 by itself with its extension ``httpfs`` and the keys of
``live_objects``. This module fetches objects with boto3, which needs no extension.
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
    """Return the objects that hold every archived row once, by hour, partition and offset.

    Args:
        bucket: Bucket of the archive.
        start_s: Only hours of feed time that end after this moment, epoch seconds.
        end_s: Only hours of feed time that begin before this moment. The event time of a
            transaction may lie in another hour than its feed time.

    Raises:
        TransientError: S3 refuses for now.
        FatalError: There is no bucket, or a manifest is damaged.
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
    """Write each object to a file in ``directory`` and return the files in the same order.

    An existing file is kept, since the contents of an object never change.

    Raises:
        TransientError: S3 refuses for now, or an object is gone because a compaction
            replaced it and its grace is over; list the live objects again.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(THREADS, "fetch") as pool:
        return list(pool.map(lambda name: _fetch(bucket, name, directory), names))


def relation(connection: "DuckDBPyConnection", files: Sequence[Path]) -> "DuckDBPyRelation":
    """Return the rows of ``files`` with every column of ``SCHEMA``.

    Columns that files of an older release lack are null in their rows; columns of a newer
    release follow those of ``SCHEMA``.
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
                f"{name.key} was replaced by a compaction while the archive was read; run it again"
            ) from error
        unfinished.rename(path)
    return path
