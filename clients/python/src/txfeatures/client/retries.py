"""The rules of retries: when another attempt is made, and after how long."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from txfeatures.client.messages import Response

RETRIED = frozenset({429, 500, 502, 503, 504})
"""A GET request changes nothing, so it may be repeated whenever the server failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Attempts of one call, and the waits between them.

    Attributes:
        attempts: Most attempts, the first included.
        first_s: Longest wait before the second attempt; it doubles with each further one.
        max_s: Longest wait before any attempt.
        max_retry_after_s: Longest wait that the api may ask for; a longer one ends the call.
        jitter: Returns the share of the longest wait that is waited, from 0 to 1.
    """

    attempts: int = 5
    first_s: float = 0.25
    max_s: float = 10.0
    max_retry_after_s: float = 60.0
    jitter: Callable[[], float] = random.random

    def wait_s(self, failed: int, *, asked_s: float | None = None) -> float | None:
        """Return the seconds before the next attempt, or None if there is none.

        Args:
            failed: Attempts that have failed.
            asked_s: The wait that the api asked for; it is never cut short.
        """
        if failed >= self.attempts or (asked_s or 0.0) > self.max_retry_after_s:
            return None
        return (asked_s or 0.0) + self.backoff_s(failed)

    def backoff_s(self, failed: int) -> float:
        """Return a random wait, whose bound doubles with each attempt that has failed."""
        return min(self.max_s, self.first_s * 2.0 ** min(failed - 1, 30)) * self.jitter()


def retry_after_s(response: Response) -> float | None:
    """Return the seconds of ``Retry-After``; a date counts from the answer's own ``Date``."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        answered = parsedate_to_datetime(response.headers.get("date", ""))
    except ValueError:
        return None
    return max(0.0, (until - answered).total_seconds())
