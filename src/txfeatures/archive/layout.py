"""Keys of the archive: pure functions of the contents of an object.

A *part* is an object as fs_writer stores it, ``deduped.<topic>-<partition>-<first
offset>.parquet``. A *compacted* object replaces a run of parts of one shelf, whose offsets are in
its name, ``deduped.<topic>-<partition>-<first offset>-<last offset>.parquet``. Two names alone
therefore determine whether one object covers the other.

``<topic>`` is the id that Kafka gave to the topic when it was made. Offsets begin at 0 again in a
topic that is made anew, so they name a record only together with the id. Earlier releases left
``.<topic>`` out: objects without it are of shelves of their own.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from txfeatures.domain.topics import DEDUPED

PREFIX = f"archive/{DEDUPED}/"
"""Prefix of the objects, live and dead."""

RESULTS_PREFIX = "athena/"
"""Prefix of the results of Athena's queries, which stand in the same bucket."""

MANIFESTS = "archive/manifests/"
"""Prefix of the manifests, which list the live objects."""

_SHELF = (
    r"date=(?P<date>\d{4}-\d\d-\d\d)/hour=(?P<hour>\d\d)/"
    rf"{DEDUPED}(?:\.(?P<topic>[\w-]{{22}}))?-(?P<partition>\d+)"
)
_OBJECT = re.compile(
    rf"{PREFIX}{_SHELF}-(?P<first>\d{{20}})(?:-(?P<last>\d{{20}}))?\.parquet", re.ASCII
)
_MANIFEST = re.compile(rf"{MANIFESTS}{_SHELF}\.txt", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shelf:
    """One partition's hour of feed time in the archive; it has one manifest.

    Attributes:
        date: The hour's day, ``YYYY-MM-DD``, UTC.
        hour: ``00`` to ``23``, UTC.
        topic: Kafka's id of the topic ``deduped``; empty in an archive of an earlier release.
        partition: Partition of that topic.
    """

    date: str
    hour: str
    topic: str = ""
    partition: int

    @classmethod
    def at(cls, feed_time_s: int, partition: int, *, topic: str = "") -> Self:
        """Return the shelf of a partition at a moment of the feed clock, epoch seconds."""
        moment = datetime.fromtimestamp(feed_time_s, UTC)
        return cls(date=f"{moment:%Y-%m-%d}", hour=f"{moment:%H}", topic=topic, partition=partition)

    @classmethod
    def of_manifest(cls, key: str) -> Self | None:
        """Return the shelf that has the manifest ``key``; None if ``key`` is no manifest."""
        found = _MANIFEST.fullmatch(key)
        return cls.from_match(found) if found else None

    @classmethod
    def from_match(cls, found: re.Match[str]) -> Self:
        """Return the shelf that a parsed key names."""
        return cls(
            date=found["date"],
            hour=found["hour"],
            topic=found["topic"] or "",
            partition=int(found["partition"]),
        )

    @property
    def folder(self) -> str:
        """The part of a key that all partitions of the hour share."""
        return f"date={self.date}/hour={self.hour}/"

    @property
    def objects(self) -> str:
        """The prefix of the keys of its objects, and of no others."""
        return f"{PREFIX}{self.folder}{self._log}-"

    @property
    def manifest(self) -> str:
        """The key of its manifest."""
        return f"{MANIFESTS}{self.folder}{self._log}.txt"

    @property
    def start_s(self) -> int:
        """Epoch seconds at which its hour begins."""
        moment = datetime.strptime(f"{self.date} {self.hour}", "%Y-%m-%d %H")
        return int(moment.replace(tzinfo=UTC).timestamp())

    @property
    def _log(self) -> str:
        topic = f".{self.topic}" if self.topic else ""
        return f"{DEDUPED}{topic}-{self.partition}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectName:
    """The name of an object of the archive.

    Attributes:
        shelf: Shelf of the object.
        first: Offset of its first row.
        last: Offset of its last row; None for a part, whose name does not hold it.
    """

    shelf: Shelf
    first: int
    last: int | None = None

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Return the name that ``key`` holds; None if it is no object of the archive."""
        found = _OBJECT.fullmatch(key)
        if found is None:
            return None
        last = found["last"]
        return cls(
            shelf=Shelf.from_match(found),
            first=int(found["first"]),
            last=int(last) if last else None,
        )

    @property
    def key(self) -> str:
        """The key in the bucket."""
        span = f"{self.first:020d}" if self.last is None else f"{self.first:020d}-{self.last:020d}"
        return f"{self.shelf.objects}{span}.parquet"

    def covers(self, other: "ObjectName") -> bool:
        """Return whether this is a compacted object with every row of ``other``.

        Compacted objects consist of whole parts, so a part lies wholly inside or outside
        of one and its first row decides.
        """
        if self.last is None or self == other or self.shelf != other.shelf:
            return False
        end = other.first if other.last is None else other.last
        return self.first <= other.first and end <= self.last


def hour_folder(feed_time_s: int) -> str:
    """Return ``date=…/hour=…/`` of a moment of the feed clock; folders sort by time."""
    return Shelf.at(feed_time_s, 0).folder
