"""What becomes one object, and what may be deleted: decisions without I/O or clock."""

from collections.abc import Iterable, Mapping, Sequence

from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import Manifest

Group = tuple[ObjectName, ...]
"""Objects of a shelf, neighbours by offset, that are to become one."""


def groups(
    live: Iterable[ObjectName], size_bytes: Mapping[ObjectName, int], *, target_bytes: int
) -> list[Group]:
    """Return the runs of live objects that are worth making one.

    Args:
        live: The live objects of one shelf.
        size_bytes: How large each of them is.
        target_bytes: A run ends before it would become larger than this.
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
    """Return the objects that no reader will ever be told of again.

    Being absent from the manifest is not enough: an object may have been stored just now
    and be on its way into the manifest. Being covered by a live object is, for good.
    """
    return [name for name in there if name not in manifest.live and manifest.makes_dead(name)]


def replaced(
    live: Sequence[ObjectName], group: Group, compacted: ObjectName
) -> tuple[ObjectName, ...]:
    """Return ``live`` with ``compacted`` in the place of ``group``."""
    return (*(name for name in live if name not in group), compacted)
