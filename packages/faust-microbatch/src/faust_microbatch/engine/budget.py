"""Backpressure in bytes."""


class Budget:
    """Bytes that were read and are neither committed nor dropped.

    Two counters with one writer each, because ``+=`` from two threads loses counts.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._taken = 0
        self._released = 0

    def take(self, size_bytes: int) -> None:
        """Count bytes that were read; called by the fetcher only."""
        self._taken += size_bytes

    def release(self, size_bytes: int) -> None:
        """Count bytes that were committed or dropped; called by the event loop only."""
        self._released += size_bytes

    @property
    def used_bytes(self) -> int:
        """Bytes in flight."""
        return self._taken - self._released

    @property
    def is_full(self) -> bool:
        """True while nothing more should be read."""
        return self.used_bytes >= self._max_bytes
