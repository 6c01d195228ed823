"""Stretches of minutes."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Minutes from ``start_s`` up to before ``end_s``, epoch seconds of whole minutes."""

    start_s: int
    end_s: int

    def chunks(self, size_s: int) -> Iterator["Span"]:
        """Yield its pieces, which end at multiples of ``size_s``."""
        start_s = self.start_s
        while start_s < self.end_s:
            end_s = min(start_s - start_s % size_s + size_s, self.end_s)
            yield Span(start_s=start_s, end_s=end_s)
            start_s = end_s
