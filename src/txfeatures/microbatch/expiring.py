"""A store that remembers keys for a time, in little memory."""

from collections.abc import Iterable, Iterator, Mapping

from txfeatures.microbatch.stores import Change, Store

TIME_BYTES = 8


class ExpiringStore(Store[int]):
    """Keys of one width, each with a time in milliseconds, forgotten a bucket at a time.

    A key is held as an integer (64 bytes for a key of 32) in the dict of its time's bucket;
    keys that come one after the other with the same time share it. With the dicts that is
    about 100 bytes a key. Buckets are dropped whole, so nothing is ever searched for what is
    old, and no dict is worn out by deletions.

    Args:
        key_bytes: Width of every key.
        bucket_ms: Width of a bucket. A key that is not there is looked for in every bucket,
            at some 0.3 us each, so two to four should cover the time that keys are remembered.
    """

    def __init__(self, *, key_bytes: int, bucket_ms: int) -> None:
        self._key_bytes = key_bytes
        self._bucket_ms = bucket_ms
        self._buckets: dict[int, dict[int, int]] = {}  # newest first
        self._last_ms = 0

    def __getitem__(self, key: bytes) -> int:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def get(self, key: bytes, default: int | None = None) -> int | None:  # type: ignore[override]
        """Return the key's time or ``default``."""
        number = int.from_bytes(key)
        for bucket in self._buckets.values():
            time_ms = bucket.get(number)
            if time_ms is not None:
                return time_ms
        return default

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.get(key) is not None

    def __setitem__(self, key: bytes, time_ms: int) -> None:
        self.update({key: time_ms})

    def __delitem__(self, key: bytes) -> None:
        if not self._forget(int.from_bytes(key)):
            raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        for bucket in self._buckets.values():
            for number in bucket:
                yield number.to_bytes(self._key_bytes)

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def update(self, times_ms: Mapping[bytes, int]) -> None:  # type: ignore[override]
        """Set the times of keys.

        Raises:
            ValueError: A key has another width.
        """
        for key, time_ms in times_ms.items():
            self._put(key, time_ms)

    def discard(self, keys: Iterable[bytes]) -> None:
        """Remove keys; those that are not there don't matter."""
        for key in keys:
            self._forget(int.from_bytes(key))

    def expire(self, before_ms: int) -> list[bytes]:
        """Forget the buckets that end at ``before_ms`` or earlier; return their keys."""
        gone = [n for n in self._buckets if (n + 1) * self._bucket_ms <= before_ms]
        width = self._key_bytes
        return [number.to_bytes(width) for n in gone for number in self._buckets.pop(n)]

    def encode(self, value: int) -> bytes:
        """Return the time as eight bytes."""
        return value.to_bytes(TIME_BYTES)

    def decode(self, data: bytes) -> int:
        """Return the time."""
        return int.from_bytes(data)

    def restore(self, changes: Iterable[Change]) -> None:
        """Apply records of the changelog, in order."""
        for key, data in changes:
            if data is None:
                self._forget(int.from_bytes(key))
            else:
                self._put(key, int.from_bytes(data))

    def _put(self, key: bytes, time_ms: int) -> None:
        if len(key) != self._key_bytes:
            raise ValueError(f"a key must have {self._key_bytes} bytes, not {len(key)}")
        if time_ms == self._last_ms:
            time_ms = self._last_ms  # the same object, 32 bytes less
        self._last_ms = time_ms
        number = int.from_bytes(key)
        own = self._bucket(time_ms // self._bucket_ms)
        for bucket in self._buckets.values():
            if bucket is not own:
                bucket.pop(number, None)
        own[number] = time_ms

    def _forget(self, number: int) -> bool:
        return any(bucket.pop(number, None) is not None for bucket in self._buckets.values())

    def _bucket(self, number: int) -> dict[int, int]:
        if number not in self._buckets:
            self._buckets[number] = {}
            self._buckets = dict(sorted(self._buckets.items(), reverse=True))
        return self._buckets[number]
