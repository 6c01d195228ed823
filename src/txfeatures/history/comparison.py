"""The comparison of one minute's rows: of the archive and of the two stores [pure].

With three sources, two that agree expose the third: a store that differs from the archive
while the other agrees with it is wrong; if both stores agree against the archive, the archive
lacks transactions or has changed ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from txfeatures.domain.features import EVENT_TIME
from txfeatures.domain.model import FeatureValue
from txfeatures.history.minutes import COLUMNS

Where = Literal["archive", "offline", "online"]
Kind = Literal["mismatch", "missing", "extra", "damage"]

StoredRow = Mapping[str, FeatureValue]
"""Feature name -> value; unknown ones are left out."""

QUALITY = ("nb_late_trx_1min", "nb_gaps_1min", EVENT_TIME)
"""Features that transactions don't determine, but in which two copies of a revision agree."""

COUNT = "total_nb_trx_1min"

COMPARED = (*COLUMNS, "is_final")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A discrepancy.

    Attributes:
        minute: The minute's name; empty for damage of an object.
        where: The source that differs from the others.
        kind: ``mismatch``: other values; ``missing``: no row, or fewer transactions than a row
            has; ``extra``: a row that nothing accounts for; ``damage``: an object.
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


def compare(
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
    if offline is not None and online is not None and _agree(offline, online):
        if _is_right(archive, offline):
            return _quality(minute, offline, online)
        return [_against_both(minute, archive, offline)]
    found = []
    for where, row in (("offline", offline), ("online", online)):
        found += _against_one(minute, where, archive, row)  # type: ignore[arg-type]
    return found


def lacking(row: StoredRow | None) -> list[str]:
    """Return the features that a row lacks because it is older than their declaration."""
    return [name for name in COLUMNS if row is not None and name not in row]


def _against_one(
    minute: str, where: Where, archive: StoredRow | None, row: StoredRow | None
) -> list[Finding]:
    if row is None:
        if archive is None:
            return []
        detail = f"no row; the archive has {archive[COUNT]} transactions"
        return [_finding(minute, where, "missing", detail, archive, row)]
    if _is_right(archive, row):
        return []
    if archive is None:
        detail = f"a row of {row.get(COUNT)} transactions, of which the archive has none"
        return [_finding(minute, where, "extra", detail, archive, row)]
    detail = "other values than the archive's transactions give"
    return [_finding(minute, where, "mismatch", detail, archive, row)]


def _against_both(minute: str, archive: StoredRow | None, stored: StoredRow) -> Finding:
    if archive is None:
        detail = f"both stores have {stored.get(COUNT)} transactions, the archive none"
        return _finding(minute, "archive", "missing", detail, stored, archive)
    detail = "both stores agree on other values than the archive's transactions give"
    return _finding(minute, "archive", "mismatch", detail, stored, archive)


def _finding(
    minute: str,
    where: Where,
    kind: Kind,
    detail: str,
    wanted: StoredRow | None,
    found: StoredRow | None,
    only: Sequence[str] = COMPARED,
) -> Finding:
    values = _differences(wanted or {}, found or {}, only=only)
    return Finding(minute=minute, where=where, kind=kind, detail=detail, values=values)


def _quality(minute: str, offline: StoredRow, online: StoredRow) -> list[Finding]:
    ours, theirs = offline.get("revision"), online.get("revision")
    if _less(ours, theirs):
        detail = "the online store has a later revision"
        return [_finding(minute, "offline", "missing", detail, online, offline, ("revision",))]
    # A newer revision of the offline store alone was backfilled.
    if ours != theirs or not _differences(offline, online, only=QUALITY):
        return []
    detail = "the stores have different metadata of one revision (offline, online)"
    return [_finding(minute, "online", "mismatch", detail, offline, online, QUALITY)]


def _is_right(archive: StoredRow | None, row: StoredRow) -> bool:
    if archive is None:  # the feed may have been alive without a transaction
        return row.get(COUNT) == 0
    return not _differences(archive, row, only=_common(archive, row))


def _agree(left: StoredRow, right: StoredRow) -> bool:
    return not _differences(left, right, only=_common(left, right))


def _common(left: StoredRow, right: StoredRow) -> Sequence[str]:
    # A feature that a row lacks was declared later and is reported apart; the count is required.
    return [name for name in COMPARED if name == COUNT or (name in left and name in right)]


def _differences(
    wanted: StoredRow, found: StoredRow, *, only: Sequence[str] = COMPARED
) -> dict[str, tuple[FeatureValue | None, FeatureValue | None]]:
    pairs = {name: (wanted.get(name), found.get(name)) for name in only}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _less(left: FeatureValue | None, right: FeatureValue | None) -> bool:
    return isinstance(left, int) and isinstance(right, int) and left < right
