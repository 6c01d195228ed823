"""Keys of the archive: pure functions of the contents of an object.

A *part* is an object as fs_writer stores it, ``deduped-<partition>-<first offset>.parquet``.
A *compacted* object replaces a run of parts of one shelf, whose offsets are in its name,
``deduped-<partition>-<first offset>-<last offset>.parquet``. Two names alone therefore
determine whether one object covers the other.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from txfeatures.domain.topics import DEDUPED

PREFIX = f"archive/{DEDUPED}/"
"""Prefix of the objects, live and dead."""

MANIFESTS = "archive/manifests/"
"""Prefix of the manifests, which list the live objects."""

_SHELF = r"date=(?P<date>\d{4}-\d\d-\d\d)/hour=(?P<hour>\d\d)/"
_OBJECT = re.compile(
    rf"{PREFIX}{_SHELF}{DEDUPED}-(?P<partition>\d+)"
    r"-(?P<first>\d{20})(?:-(?P<last>\d{20}))?\.parquet"
)
_MANIFEST = re.compile(rf"{MANIFESTS}{_SHELF}{DEDUPED}-(?P<partition>\d+)\.txt")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shelf:
    """One partition's hour of feed time in the archive; it has one manifest.

    Attributes:
        date: The hour's day, ``YYYY-MM-DD``, UTC.
        hour: ``00`` to ``23``, UTC.
        partition: Partition of ``deduped``.
    """

    date: str
    hour: str
    partition: int

    @classmethod
    def at(cls, feed_time_s: int, partition: int) -> Self:
        """Return the shelf of a partition at a moment of the feed clock, epoch seconds."""
        moment = datetime.fromtimestamp(feed_time_s, UTC)
        return cls(date=f"{moment:%Y-%m-%d}", hour=f"{moment:%H}", partition=partition)

    @classmethod
    def of_manifest(cls, key: str) -> Self | None:
        """Return the shelf that has the manifest ``key``; None if ``key`` is no manifest."""
        found = _MANIFEST.fullmatch(key)
        return cls.from_match(found) if found else None

    @classmethod
    def from_match(cls, found: re.Match[str]) -> Self:
        """Return the shelf of a parsed key with its ``date``, ``hour`` and ``partition``."""
        return cls(date=found["date"], hour=found["hour"], partition=int(found["partition"]))

    @property
    def folder(self) -> str:
        """The part of a key that all partitions of the hour share."""
        return f"date={self.date}/hour={self.hour}/"

    @property
    def objects(self) -> str:
        """The prefix of the keys of its objects, and of no others."""
        return f"{PREFIX}{self.folder}{DEDUPED}-{self.partition}-"

    @property
    def manifest(self) -> str:
        """The key of its manifest."""
        return f"{MANIFESTS}{self.folder}{DEDUPED}-{self.partition}.txt"

    @property
    def start_s(self) -> int:
        """Epoch seconds at which its hour begins."""
        moment = datetime.strptime(f"{self.date} {self.hour}", "%Y-%m-%d %H")
        return int(moment.replace(tzinfo=UTC).timestamp())


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
