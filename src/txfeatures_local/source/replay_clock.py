"""The feed's clock: how far a recording has been played."""

import math
from enum import StrEnum
from typing import Protocol

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock


class ClockMode(StrEnum):
    """What moves the feed's clock: the polls, or time itself."""

    POLL = "poll"
    REAL = "real"


class ReplayClock(Protocol):
    """The feed's time, in epoch seconds of the recording."""

    def now_s(self) -> float:
        """Return the time; asking does not move it."""
        ...

    def next_s(self) -> float:
        """Return the time of the next answer that shows transactions."""
        ...


class PollClock:
    """One second for each answer: a replay as fast as it is polled, the same every time."""

    def __init__(self, first_arrival_s: float) -> None:
        self._now_s = math.floor(first_arrival_s)

    def now_s(self) -> float:
        """Return the time of the last answer."""
        return self._now_s

    def next_s(self) -> float:
        """Move on by one second and return the time."""
        self._now_s += 1
        return self._now_s


class RealClock:
    """Time itself, ``speed`` times as fast, from the first arrival on."""

    def __init__(self, first_arrival_s: float, *, clock: Clock, speed: float) -> None:
        self._first_arrival_s = first_arrival_s
        self._clock = clock
        self._speed = speed
        self._started_s = clock.monotonic()

    def now_s(self) -> float:
        """Return the time."""
        elapsed_s = self._clock.monotonic() - self._started_s
        return self._first_arrival_s + elapsed_s * self._speed

    def next_s(self) -> float:
        """Return the time, which moves by itself."""
        return self.now_s()


def start(mode: ClockMode, first_arrival_s: float, *, clock: Clock, speed: float) -> ReplayClock:
    """Start the feed's clock at the first arrival; ``speed`` concerns mode ``real`` only."""
    if mode is ClockMode.POLL:
        return PollClock(first_arrival_s)
    return RealClock(first_arrival_s, clock=clock, speed=speed)


def check_speed(speed: float) -> None:
    """Refuse a speed that is no positive number.

    Raises:
        FatalError: It is not.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise FatalError(f"The speed must be a number above 0, not {speed}: 1 is real time.")
