"""Progress of long work, for whoever looks on."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with ``(parts done, parts in all)``."""


def unseen(done: int, total: int) -> None:
    """Show nothing."""
    del done, total
