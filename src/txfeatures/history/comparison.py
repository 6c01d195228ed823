"""The comparison of one minute's rows: of the archive and of the two stores [pure].

With three sources, two that agree expose the third: a store that differs from the archive
while the other agrees with it is wrong; if both stores agree against the archive, the archive
lacks transactions or has changed ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from txfeatures.domain.features import COUNT, EVENT_TIME
from txfeatures.domain.model import FeatureValue

Where = Literal["archive", "offline", "online", "kafka"]
Kind = Literal["mismatch", "missing", "extra", "damage", "gone"]

StoredRow = Mapping[str, FeatureValue]
"""Feature name -> value; unknown ones are left out."""

QUALITY = ("nb_late_trx_1min", "nb_gaps_1min", EVENT_TIME)
"""Features that transactions don't determine, but in which two copies of a revision agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A discrepancy.

    Attributes:
        minute: The minute's name; empty for damage of an object.
        where: The source that differs from the others, or ``kafka``, whose records are gone.
        kind: ``mismatch``: other values; ``missing``: no row, or fewer transactions than a row
            has; ``extra``: a row that nothing accounts for; ``damage``: an object; ``gone``:
            records that their reader had to skip.
        detail: One sentence, or the object's key and its fault.
        values: Feature -> (expected value, found value), null for none.
    """

    minute: str
    where: Where
    kind: Kind
    detail: str
    values: Mapping[str, tuple[FeatureValue | None, FeatureValue | None]] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The comparison of rows.

    Attributes:
        computed: Names of the features that transactions determine.
    """

    computed: Sequence[str]

    @property
    def _compared(self) -> Sequence[str]:
        return (*self.computed, "is_final")

    def compare(
        self,
        minute: str,
        archive: StoredRow | None,
        offline: StoredRow | None,
        online: StoredRow | None,
    ) -> list[Finding]:
        """Return the discrepancies of one minute.

        Args:
            minute: Its name.
            archive: Its row as recomputed; None if no transaction of it, nor a poll, is archived.
            offline: The latest row of the offline store, None for none.
            online: The row of the online store, None for none.
        """
        if offline is not None and online is not None and self._agree(offline, online):
            if self._is_right(archive, offline):
                return self._quality(minute, offline, online)
            return [self._against_both(minute, archive, offline)]
        return [
            *self._against_one(minute, "offline", archive, offline, other=online),
            *self._against_one(minute, "online", archive, online, other=offline),
        ]

    def lacking(self, row: StoredRow | None) -> list[str]:
        """Return the features that a row lacks because it is older than their declaration."""
        return [name for name in self.computed if row is not None and name not in row]

    def _against_one(
        self,
        minute: str,
        where: Where,
        archive: StoredRow | None,
        row: StoredRow | None,
        *,
        other: StoredRow | None,
    ) -> list[Finding]:
        if row is None:
            if archive is not None:
                detail = f"no row; the archive has {archive[COUNT]} transactions"
                return [self._finding(minute, where, "missing", detail, archive, row)]
            # The other way round the row may be on its way: nothing archived bounds the waiting.
            if where == "offline" or other is None or not self._is_right(archive, other):
                return []
            detail = "no row; the offline store has one, of no transactions"
            return [self._finding(minute, where, "missing", detail, other, row)]
        if self._is_right(archive, row):
            return []
        if archive is None:
            detail = f"a row of {row.get(COUNT)} transactions, of which the archive has none"
            return [self._finding(minute, where, "extra", detail, archive, row)]
        detail = "other values than the archive's transactions give"
        return [self._finding(minute, where, "mismatch", detail, archive, row)]

    def _against_both(self, minute: str, archive: StoredRow | None, stored: StoredRow) -> Finding:
        if archive is None:
            detail = f"both stores have {stored.get(COUNT)} transactions, the archive none"
            return self._finding(minute, "archive", "missing", detail, stored, archive)
        detail = "both stores agree on other values than the archive's transactions give"
        return self._finding(minute, "archive", "mismatch", detail, stored, archive)

    def _finding(
        self,
        minute: str,
        where: Where,
        kind: Kind,
        detail: str,
        wanted: StoredRow | None,
        found: StoredRow | None,
        only: Sequence[str] | None = None,
    ) -> Finding:
        values = self._differences(wanted or {}, found or {}, only=only)
        return Finding(minute=minute, where=where, kind=kind, detail=detail, values=values)

    def _quality(self, minute: str, offline: StoredRow, online: StoredRow) -> list[Finding]:
        ours, theirs = offline.get("revision"), online.get("revision")
        if _less(ours, theirs):
            detail = "the online store has a later revision"
            return [
                self._finding(minute, "offline", "missing", detail, online, offline, ("revision",))
            ]
        # A newer revision of the offline store alone was backfilled.
        only = (
            *QUALITY,
            *(name for name in self._compared if (name in offline) != (name in online)),
        )
        if ours != theirs or not self._differences(offline, online, only=only):
            return []
        detail = "the stores have different metadata or features of one revision (offline, online)"
        return [self._finding(minute, "online", "mismatch", detail, offline, online, only)]

    def _is_right(self, archive: StoredRow | None, row: StoredRow) -> bool:
        if archive is None:  # the feed may have been alive without a transaction
            return row.get(COUNT) == 0
        return not self._differences(archive, row, only=self._common(archive, row))

    def _agree(self, left: StoredRow, right: StoredRow) -> bool:
        return not self._differences(left, right, only=self._common(left, right))

    def _common(self, left: StoredRow, right: StoredRow) -> Sequence[str]:
        # A feature that a row lacks was declared later and is reported apart; it has the count.
        return [
            name for name in self._compared if name == COUNT or (name in left and name in right)
        ]

    def _differences(
        self, wanted: StoredRow, found: StoredRow, *, only: Sequence[str] | None = None
    ) -> dict[str, tuple[FeatureValue | None, FeatureValue | None]]:
        pairs = {name: (wanted.get(name), found.get(name)) for name in only or self._compared}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _less(left: FeatureValue | None, right: FeatureValue | None) -> bool:
    return isinstance(left, int) and isinstance(right, int) and left < right
