"""The memory of a partition of dedup: hashes in bundles, one for each time to forget them.

A set of bytes takes 27 to 53 bytes an entry and 64 for the bytes themselves; the time
costs nothing, as all of a bundle share it.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from faust_microbatch import Change, Store

TIME_BYTES = 8
"""As many as the longest Kafka timestamp needs: a record of any date can be remembered."""


class Seen(Store[int]):
    """Hash -> log time (ms) from which on it is forgotten; at most 120 bytes each."""

    def __init__(self) -> None:
        self._bundles: dict[int, set[bytes]] = {}

    def __getitem__(self, key: bytes) -> int:
        for forget_ms, bundle in self._bundles.items():
            if key in bundle:
                return forget_ms
        raise KeyError(key)

    def get(self, key: bytes, default: int = 0) -> int:  # type: ignore[override]
        """Return the time, or ``default``; without the cost of an exception."""
        for forget_ms, bundle in self._bundles.items():
            if key in bundle:
                return forget_ms
        return default

    def __setitem__(self, key: bytes, forget_ms: int) -> None:
        self.discard((key,))
        self._bundles.setdefault(forget_ms, set()).add(key)

    def __delitem__(self, key: bytes) -> None:
        self[key]  # KeyError if it is not there
        self.discard((key,))

    def __iter__(self) -> Iterator[bytes]:
        for bundle in self._bundles.values():
            yield from bundle

    def __len__(self) -> int:
        return sum(map(len, self._bundles.values()))

    def encode(self, value: int) -> bytes:
        """Return the time as 8 bytes."""
        return value.to_bytes(TIME_BYTES, "big")

    def decode(self, data: bytes) -> int:
        """Return the time of 8 bytes."""
        return int.from_bytes(data, "big")

    def discard(self, keys: Iterable[bytes]) -> None:
        """Remove the keys that are there."""
        gone = frozenset(keys)  # an iterator can be read but once, and there are many bundles
        for forget_ms, bundle in tuple(self._bundles.items()):
            bundle.difference_update(gone)
            if not bundle:
                del self._bundles[forget_ms]

    def update(self, values: Mapping[bytes, int]) -> None:  # type: ignore[override]
        """Set many keys, few times among them."""
        self.discard(values)
        for key, forget_ms in values.items():
            self._bundles.setdefault(forget_ms, set()).add(key)

    def restore(self, changes: Iterable[Change]) -> None:
        """Apply records of the changelog, in order."""
        last = dict(changes)
        self.discard(last)
        self.update({key: self.decode(data) for key, data in last.items() if data is not None})

    def forgotten(self, now_ms: int, limit: int) -> list[bytes]:
        """Return up to ``limit`` hashes whose time has come."""
        due = (bundle for forget_ms, bundle in self._bundles.items() if forget_ms <= now_ms)
        return list(islice((key for bundle in due for key in bundle), limit))
