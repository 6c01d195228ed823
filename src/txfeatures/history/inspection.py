"""The integrity of the archive's objects, checked while they are fetched.

An object is damaged if its manifest names it but it is gone; if its bytes don't have the SHA-256
that was stored with it, or none was stored, so that somebody else wrote it; if it is no Parquet
file; if its typed columns don't match its own JSON; or if its rows belong to another partition
or other offsets than its name, or are in another object too.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from txfeatures.archive.bucket import Bucket, S3UnavailableError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.objects import ROWS, SHA256
from txfeatures.archive.reading import THREADS, fetch, live_objects
from txfeatures.archive.schema import SCHEMA, encode
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import Record
from txfeatures.domain.topics import DEDUPED
from txfeatures.feature_store.errors import translated
from txfeatures.feature_store.offline import Damage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

BATCH_ROWS = 5000


@dataclass(slots=True, kw_only=True)
class Inspection:
    """Fetches objects in place of ``archive.reading.fetch`` and records the damaged ones.

    Attributes:
        s3: Returns the metadata stored with an object.
        damages: The damaged objects; one that can't be read at all is left out of the rows.
        objects: Number of objects inspected.
    """

    s3: "S3Client"
    damages: list[Damage] = field(default_factory=list)
    objects: int = 0
    _ends: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)

    def acquire(self, bucket: Bucket, names: Sequence[ObjectName], directory: Path) -> list[Path]:
        """Fetch and inspect each object; return the files that can be read."""

        def fetched(name: ObjectName) -> tuple[Path, dict[str, str]] | None:
            path = self._fetch(bucket, name, directory)
            return (path, self._marks(bucket, name)) if path else None

        readable = []
        with ThreadPoolExecutor(THREADS, "inspect") as pool:
            found = list(pool.map(fetched, names))
        for name, one in zip(names, found, strict=True):
            self.objects += 1
            if one is None:
                self.damages.append(
                    Damage(key=name.key, reason="is named by its manifest, but gone")
                )
                continue
            path, marks = one
            try:
                reasons = list(self._look(name, path, marks))
            except (pa.ArrowException, OSError, ValueError) as error:
                reasons = [f"can't be read as Parquet ({str(error).splitlines()[0]})"]
            else:
                readable.append(path)
            if reasons:
                self.damages.append(Damage(key=name.key, reason="; ".join(reasons)))
        return readable

    def _fetch(self, bucket: Bucket, name: ObjectName, directory: Path) -> Path | None:
        try:
            return fetch(bucket, [name], directory)[0]
        except S3UnavailableError:
            raise
        except TransientError:
            hour_s = name.shelf.start_s
            if name not in live_objects(bucket, start_s=hour_s, end_s=hour_s + 3600):
                raise  # compacted meanwhile
            return None

    def _look(self, name: ObjectName, path: Path, marks: Mapping[str, str]) -> Iterator[str]:
        """Yield the faults of an object; raises if it can't be read at all."""
        file = pq.ParquetFile(path)
        if SHA256 not in marks:
            yield "has no checksum stored with it, so the service did not write it"
        elif marks[SHA256] != _sha256(path):
            yield "its bytes are not those that were written (SHA-256 differs)"
        if ROWS in marks and marks[ROWS] != str(file.metadata.num_rows):
            yield f"has {file.metadata.num_rows} rows, {marks[ROWS]} were written"
        if wrong := sum(map(_wrong_rows, file.iter_batches(BATCH_ROWS))):
            yield f"{wrong} of its rows don't match their own JSON"
        yield from self._place(name, file)

    def _place(self, name: ObjectName, file: pq.ParquetFile) -> Iterator[str]:
        found = file.read(columns=["topic_partition", "topic_offset"])
        partitions = set(found["topic_partition"].to_pylist())
        offsets = found["topic_offset"].to_pylist()
        if partitions != {name.shelf.partition} or offsets[0] != name.first:
            yield "its rows are not those of its name"
        if offsets != sorted(set(offsets)):
            yield "its offsets do not rise"
        log = name.shelf.topic, name.shelf.partition
        end, before = self._ends.get(log, (-1, ""))
        if offsets[0] <= end:
            yield f"has offsets that {before} has too"
        self._ends[log] = (offsets[-1], name.key)

    def _marks(self, bucket: Bucket, name: ObjectName) -> dict[str, str]:
        with translated("S3"):
            return self.s3.head_object(Bucket=bucket.name, Key=name.key)["Metadata"]


def _wrong_rows(batch: pa.RecordBatch) -> int:
    """Count rows whose typed columns are not those that the archive makes of their JSON."""
    rows = pa.Table.from_batches([batch])
    if "json" not in rows.column_names:
        return len(rows)
    records = [
        Record(
            topic=DEDUPED,
            partition=row["topic_partition"],
            offset=row["topic_offset"],
            key=None,
            value=row["json"],
            timestamp_ms=row["feed_time_ms"],
        )
        for row in rows.select(
            ["json", "topic_partition", "topic_offset", "feed_time_ms"]
        ).to_pylist()
    ]
    meant = pq.read_table(pa.BufferReader(encode(records)))
    # A file of an older release lacks columns, one of a newer release has more.
    names = [name for name in SCHEMA.names if name in rows.column_names]
    if rows.select(names).equals(meant.select(names)):
        return 0
    pairs = zip(rows.select(names).to_pylist(), meant.select(names).to_pylist(), strict=True)
    return sum(1 for found, wanted in pairs if found != wanted)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
