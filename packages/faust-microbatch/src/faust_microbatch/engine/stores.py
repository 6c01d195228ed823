"""Stores of a table's keys, one for each partition.

A store is a mapping in memory that encodes its values for the changelog. It is thrown away
with its partition and filled again from the changelog, so it needs no disk.
"""

from abc import abstractmethod
from collections.abc import Iterable, MutableMapping
from typing import TypeVar

V = TypeVar("V")

Change = tuple[bytes, bytes | None]
"""Key and value as on the changelog; None is a tombstone."""


class Store(MutableMapping[bytes, V]):
    """A mapping that a table can keep a partition's keys in."""

    @abstractmethod
    def encode(self, value: V) -> bytes:
        """Return a value as it is to be written on the changelog."""

    @abstractmethod
    def decode(self, data: bytes) -> V:
        """Return the value of an encoded one."""

    def discard(self, keys: Iterable[bytes]) -> None:
        """Remove keys; those that are not there don't matter."""
        for key in keys:
            self.pop(key, None)

    def restore(self, changes: Iterable[Change]) -> None:
        """Apply records of the changelog, in order."""
        for key, data in changes:
            if data is None:
                self.pop(key, None)
            else:
                self[key] = self.decode(data)


class DictStore(dict[bytes, bytes], Store[bytes]):
    """The default: a dict of bytes."""

    def encode(self, value: bytes) -> bytes:
        """Return the value itself."""
        return value

    def decode(self, data: bytes) -> bytes:
        """Return the value itself."""
        return data
