"""Sources of archived transactions: the archive in S3, a recording, local files.

Each provides Parquet files with the archive's columns but without the JSON, so that a day
is some tens of megabytes, whatever the size of its transactions.
"""

import itertools
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import duckdb

from txfeatures.archive import recording
from txfeatures.archive.bucket import Bucket
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.reading import fetch, live_objects, relation, shelves_between
from txfeatures.archive.schema import encode
from txfeatures.domain.errors import FatalError
from txfeatures.domain.features import Declaration
from txfeatures.domain.model import MINUTE_S, Record
from txfeatures.domain.rules import Rules
from txfeatures.domain.topics import DEDUPED
from txfeatures.history.minutes import Minutes, recompute
from txfeatures.history.span import Span
from txfeatures.process.progress import Progress, unseen

HOUR_S = 3600
WARM_UP_S = HOUR_S
"""Feed time that is read before a span: far more than the watermarks need to settle."""

MARGIN_S = HOUR_S
"""Feed time that is read after a span and its allowed lateness."""

RECORDED_BATCH = 5000

MOST_PARTITIONS = 1_000_000
"""More than a topic has."""

Acquire = Callable[[Bucket, Sequence[ObjectName], Path], list[Path]]
"""Fetches objects and returns the files that can be read."""


class Source(Protocol):
    """A source of transactions.

    With ``is_complete``, the feed ended with them, so that no minute stays open.
    """

    @property
    def is_complete(self) -> bool:
        """True if no transaction can follow."""
        ...

    def span(self) -> Span | None:
        """Return the span of feed time that it has; None if it is empty."""
        ...

    def files(self, start_s: int, end_s: int) -> list[Path]:
        """Return files with all records of feed times in [start_s, end_s), perhaps more."""
        ...


def read_minutes(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    span: Span,
    *,
    rules: Rules,
    declaration: Declaration,
) -> Minutes:
    """Return the minutes of ``span``, recomputed from the transactions of ``source``."""
    files = source.files(span.start_s - WARM_UP_S, span.end_s + rules.allowed_lateness_s + MARGIN_S)
    return recompute(
        connection,
        relation(connection, files),
        span,
        rules=rules,
        declaration=declaration,
        is_complete=source.is_complete,
    )


@dataclass(slots=True, kw_only=True)
class ArchiveSource:
    """The archive of a bucket; keeps an hour's rows in ``directory`` while they may be needed.

    Args:
        acquire: Fetches objects; the audit inspects each of them on the way.
        progress: Hears of the hours that are fetched.
    """

    bucket: Bucket
    directory: Path
    acquire: Acquire = fetch
    progress: Progress = unseen
    is_complete: bool = False
    _hours: dict[tuple[int, str], Path] = field(default_factory=dict)
    _topics: list[str] = field(default_factory=list)

    def span(self) -> Span | None:
        """Return the hours of feed time that the archive has."""
        starts = [shelf.start_s for shelf in shelves_between(self.bucket)]
        if not starts:
            return None
        return Span(start_s=min(starts), end_s=max(starts) + HOUR_S)

    def files(self, start_s: int, end_s: int) -> list[Path]:
        """Return a file for each hour of feed time and topic that touches [start_s, end_s).

        A partition of a topic that was made anew is another partition: its number is raised.
        """
        for hour in [hour for hour in self._hours if hour[0] + HOUR_S <= start_s]:
            self._hours.pop(hour).unlink()
        names = live_objects(self.bucket, start_s=start_s, end_s=end_s)
        hours: dict[tuple[int, str], list[ObjectName]] = {}
        for name in names:
            hours.setdefault((name.shelf.start_s, name.shelf.topic), []).append(name)
        for number, (hour, found) in enumerate(hours.items(), start=1):
            if hour not in self._hours:
                self._hours[hour] = self._slim(*hour, found)
            self.progress(number, len(hours))
        return [self._hours[hour] for hour in sorted(self._hours)]

    def number(self, topic: str, partition: int) -> int | None:
        """Return the number that a partition has in the files; None if they lack its topic."""
        if topic not in self._topics:
            return None
        return self._topics.index(topic) * MOST_PARTITIONS + partition

    def _slim(self, hour_s: int, topic: str, names: Sequence[ObjectName]) -> Path:
        if topic not in self._topics:
            self._topics.append(topic)
        whole = self.directory / "objects"
        path = self.directory / f"{hour_s}-{self._topics.index(topic)}.parquet"
        files = self.acquire(self.bucket, names, whole)
        slim(files, path, raised_by=self.number(topic, 0) or 0)
        shutil.rmtree(whole, ignore_errors=True)
        return path


@dataclass(slots=True, kw_only=True)
class RecordingSource:
    """A recording: one partition; its feed time is the whole second after each arrival."""

    path: Path
    directory: Path
    is_complete: bool = True
    _files: list[Path] = field(default_factory=list)
    _span: Span | None = None

    def span(self) -> Span | None:
        """Return the minutes from the first event or arrival to the last."""
        self._read()
        return self._span

    def files(self, start_s: int, end_s: int) -> list[Path]:  # noqa: ARG002 - all are needed
        """Return the files of the whole recording."""
        self._read()
        return self._files

    def _read(self) -> None:
        if self._files:
            return
        times: list[int] = []
        offsets = itertools.count()
        for batch in _batches(recording.read(self.path), RECORDED_BATCH):
            records = [
                Record(
                    topic=DEDUPED,
                    partition=0,
                    offset=next(offsets),
                    key=None,
                    value=bytes(arrival.tx),
                    timestamp_ms=math.ceil(arrival.arrived_at) * 1000,
                )
                for arrival in batch
            ]
            times += [min(r.timestamp_ms for r in records), max(r.timestamp_ms for r in records)]
            times += [a.time * 1000 for a in batch if _is_near(a)]
            times = [min(times), max(times)]
            self._files.append(self._write(records))
        first_s, last_s = (ms // 1000 // MINUTE_S * MINUTE_S for ms in times)
        self._span = Span(start_s=first_s, end_s=last_s + MINUTE_S)

    def _write(self, records: Sequence[Record]) -> Path:
        whole = self.directory / "recorded.parquet"
        whole.write_bytes(encode(records))
        path = self.directory / f"recorded-{len(self._files)}.parquet"
        slim([whole], path)
        whole.unlink()
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Parquet files with the archive's columns."""

    paths: Sequence[Path]
    whole: Span
    is_complete: bool = True

    def span(self) -> Span:
        """Return the given span."""
        return self.whole

    def files(self, start_s: int, end_s: int) -> list[Path]:  # noqa: ARG002 - all are needed
        """Return all of them."""
        return list(self.paths)


def slim(files: Sequence[Path], path: Path, *, raised_by: int = 0) -> None:
    """Write the rows of archive objects to one file, without their JSON.

    Args:
        files: The objects.
        path: The file.
        raised_by: Is added to the numbers of partitions.

    Raises:
        FatalError: One of them is no Parquet file with the archive's columns.
    """
    with duckdb.connect(":memory:") as connection:
        try:
            rows = relation(connection, files).project(
                f"* EXCLUDE (json) REPLACE (topic_partition + {raised_by} AS topic_partition)"
            )
            rows.write_parquet(str(path), compression="snappy")
        except duckdb.Error as error:
            raise FatalError(
                f"an object of the archive can't be read ({error}); `txfeatures audit` names it"
            ) from error


def _is_near(arrival: recording.Arrival) -> bool:
    """Return whether the span may include its own time: a date of next year must not extend it."""
    return abs(arrival.time - arrival.arrived_at) < 24 * HOUR_S


def _batches(arrivals: Iterable[recording.Arrival], size: int) -> Iterable[list[recording.Arrival]]:
    iterator = iter(arrivals)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
