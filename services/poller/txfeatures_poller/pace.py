"""The time of the next poll: a fixed rate, faster after a gap, slower after failures."""

from dataclasses import dataclass, replace
from typing import Self

_RECOVERY = 1.02  # a halved interval of one second is back in 36 polls
_MAX_DOUBLINGS = 30  # keeps the power finite in a failure of days


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of the pace, in seconds; see the settings of the same names."""

    interval_s: float
    min_interval_s: float
    backoff_first_s: float
    backoff_max_s: float

    def backoff_s(self, *, failures: int, draw: float) -> float:
        """Return the wait after failures in a row.

        Args:
            failures: How many, at least one.
            draw: Random, 0 to 1: spreads pollers that failed at the same moment (full jitter).
        """
        doublings = min(failures - 1, _MAX_DOUBLINGS)
        return draw * min(self.backoff_max_s, self.backoff_first_s * 2.0**doublings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pace at one moment.

    Attributes:
        interval_s: Seconds from the start of a poll to the start of the next.
        failures: Polls that have failed in a row.
    """

    limits: Limits
    interval_s: float
    failures: int = 0

    @property
    def is_steady(self) -> bool:
        """Return True unless polls fail, or have missed something a moment ago."""
        return not self.failures and self.interval_s >= self.limits.interval_s

    @classmethod
    def initial(cls, limits: Limits) -> Self:
        """Return the pace of a process that starts."""
        return cls(limits=limits, interval_s=limits.interval_s)

    def answered(self, *, gap: bool) -> Self:
        """Return the pace after an answer: half the interval after a gap, else a bit more of it."""
        usual_s = self.limits.interval_s
        if gap:
            floor_s = min(self.limits.min_interval_s, usual_s)
            return replace(self, failures=0, interval_s=max(floor_s, self.interval_s / 2))
        return replace(self, failures=0, interval_s=min(usual_s, self.interval_s * _RECOVERY))

    def failed(self) -> Self:
        """Return the pace after a failed poll; to a source in trouble haste is no help."""
        return replace(self, failures=self.failures + 1, interval_s=self.limits.interval_s)

    def wait_s(self, *, elapsed_s: float, draw: float, retry_after_s: float | None = None) -> float:
        """Return the wait before the next poll.

        Args:
            elapsed_s: Seconds since the last poll started. A poll that took longer than
                the interval is followed at once by one poll, not by all it delayed.
            draw: Random, 0 to 1; see `Limits.backoff_s`.
            retry_after_s: The pause that the source wants.
        """
        due_s = max(0.0, self.interval_s - elapsed_s)
        if not self.failures:
            return due_s
        backoff_s = self.limits.backoff_s(failures=self.failures, draw=draw)
        return max(due_s, backoff_s, retry_after_s or 0.0)
