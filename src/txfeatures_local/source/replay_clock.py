"""The clock of a replay: the second up to which a recording has been shown."""

import math
from enum import StrEnum
from typing import Protocol

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock


class ClockMode(StrEnum):
    """The mover of the replay's clock: polls, or real time."""

    POLL = "poll"
    REAL = "real"


class ReplayClock(Protocol):
    """The time of a replay, in epoch seconds of the recording."""

    def now_s(self) -> float:
        """Return the time, without moving it."""
        ...

    def next_s(self) -> float:
        """Return the time of the next answer that shows transactions."""
        ...


class PollClock:
    """A clock that moves one second with each answer, so that every replay is the same."""

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
    """A clock that runs ``speed`` times as fast as real time, from the first arrival on."""

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
    """Return a clock that starts at the first arrival; only mode ``real`` has a speed."""
    if mode is ClockMode.POLL:
        return PollClock(first_arrival_s)
    return RealClock(first_arrival_s, clock=clock, speed=speed)


def check_speed(speed: float) -> None:
    """Check that a speed is a positive number.

    Raises:
        FatalError: It is not.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise FatalError(f"The speed must be a number above 0, not {speed}: 1 is real time.")
