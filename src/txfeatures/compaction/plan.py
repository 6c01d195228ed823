"""Decisions of a compaction, without I/O or clock: objects to merge and objects to delete."""

from collections.abc import Iterable, Mapping, Sequence

from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifest

Group = tuple[ObjectName, ...]
"""Consecutive objects of a shelf to be merged into one."""


def groups(
    live: Iterable[ObjectName], size_bytes: Mapping[ObjectName, int], *, target_bytes: int
) -> list[Group]:
    """Return the runs of two or more live objects that fit into one.

    Args:
        live: The live objects of one shelf.
        size_bytes: Size of each object.
        target_bytes: Largest total size of a run.
    """
    found: list[list[ObjectName]] = []
    room = -1
    for name in sorted(live, key=lambda name: name.first):
        if room < size_bytes[name]:
            found.append([])
            room = target_bytes
        found[-1].append(name)
        room -= size_bytes[name]
    return [tuple(group) for group in found if len(group) > 1]


def dead(manifest: Manifest, there: Iterable[ObjectName]) -> list[ObjectName]:
    """Return the objects of ``there`` that a live object covers, which no manifest lists again.

    Absence from the manifest is not enough: a writer stores an object first and then adds
    it to the manifest.
    """
    return [name for name in there if name not in manifest.live and manifest.covers(name)]


def replaced(
    live: Sequence[ObjectName], group: Group, compacted: ObjectName
) -> tuple[ObjectName, ...]:
    """Return ``live`` with ``group`` replaced by ``compacted``."""
    return (*(name for name in live if name not in group), compacted)
