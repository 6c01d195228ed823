"""Names in the archive: pure functions of what an object holds.

A *part* is what the service wrote, ``deduped-<partition>-<first offset>.parquet``; a
*compacted* object stands for a run of parts of one shelf and says which in its name,
``deduped-<partition>-<first offset>-<last offset>.parquet``. So whoever sees two names
knows whether one makes the other dead, without a word from anybody.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from txfeatures.domain.topics import DEDUPED

PREFIX = f"archive/{DEDUPED}/"
"""Where the objects are; not all of them are live."""

MANIFESTS = "archive/manifests/"
"""Where the manifests are, which say what is live."""

_SHELF = r"date=(?P<date>\d{4}-\d\d-\d\d)/hour=(?P<hour>\d\d)/"
_OBJECT = re.compile(
    rf"{PREFIX}{_SHELF}{DEDUPED}-(?P<partition>\d+)"
    r"-(?P<first>\d{20})(?:-(?P<last>\d{20}))?\.parquet"
)
_MANIFEST = re.compile(rf"{MANIFESTS}{_SHELF}{DEDUPED}-(?P<partition>\d+)\.txt")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Shelf:
    """What the archive has of one partition in one hour of feed time; it has one manifest.

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
        """Return the shelf of a partition at a moment of the feed's clock, epoch seconds."""
        moment = datetime.fromtimestamp(feed_time_s, UTC)
        return cls(date=f"{moment:%Y-%m-%d}", hour=f"{moment:%H}", partition=partition)

    @classmethod
    def of_manifest(cls, key: str) -> Self | None:
        """Return whose manifest ``key`` is; None if it is none."""
        found = _MANIFEST.fullmatch(key)
        return cls.spelt(found) if found else None

    @classmethod
    def spelt(cls, found: re.Match[str]) -> Self:
        """Return what the groups ``date``, ``hour`` and ``partition`` spell."""
        return cls(date=found["date"], hour=found["hour"], partition=int(found["partition"]))

    @property
    def folder(self) -> str:
        """The part of a key that all partitions of the hour share."""
        return f"date={self.date}/hour={self.hour}/"

    @property
    def objects(self) -> str:
        """How the keys of its objects begin, and no other."""
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
        shelf: Where it lies.
        first: Offset of its first row.
        last: Offset of its last row; None for a part, whose name does not tell.
    """

    shelf: Shelf
    first: int
    last: int | None = None

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Return the name that ``key`` spells; None if it is no object of the archive."""
        found = _OBJECT.fullmatch(key)
        if found is None:
            return None
        last = found["last"]
        return cls(
            shelf=Shelf.spelt(found),
            first=int(found["first"]),
            last=int(last) if last else None,
        )

    @property
    def key(self) -> str:
        """The key in the bucket."""
        span = f"{self.first:020d}" if self.last is None else f"{self.first:020d}-{self.last:020d}"
        return f"{self.shelf.objects}{span}.parquet"

    def covers(self, other: "ObjectName") -> bool:
        """Whether this is a compacted object that has every row of ``other``.

        A part lies wholly inside or outside of a compacted object, since those are made
        of whole parts; so its first row decides.
        """
        if self.last is None or self == other or self.shelf != other.shelf:
            return False
        end = other.first if other.last is None else other.last
        return self.first <= other.first and end <= self.last


def hour_folder(feed_time_s: int) -> str:
    """Return ``date=…/hour=…/`` of a moment of the feed's clock; sorts as time does."""
    return Shelf.at(feed_time_s, 0).folder
