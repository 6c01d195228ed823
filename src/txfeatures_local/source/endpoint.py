"""The endpoint without HTTP: the answer to each poll, its pushes, and the progress of the feed."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from txfeatures.archive.recording import Arrival
from txfeatures_local.source.faults import JSON, Answer, Faults
from txfeatures_local.source.feed import VISIBLE, Feed
from txfeatures_local.source.replay_clock import ReplayClock


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the feed.

    Attributes:
        served: Polls that were answered with transactions.
        errors: Polls that were answered with a fault.
        clock: The feed's time in epoch seconds; None before the first poll.
        exhausted: Whether every arrival has been shown.
        transactions: Arrivals shown.
        first_arrival_at: Time of the very first arrival, epoch seconds; None before the first
            poll.
        last_arrival_at: Time of the last arrival shown, epoch seconds; None if none was.
        newest_time: The largest ``time`` of the arrivals shown, without wrong ones (over two
            minutes ahead of their arrival); None if there is none.
    """

    served: int
    errors: int
    clock: float | None
    exhausted: bool
    transactions: int
    first_arrival_at: float | None
    last_arrival_at: float | None
    newest_time: int | None


class Endpoint:
    """The source as pollers see it, which answers one poll at a time.

    The first poll or subscription starts the feed: nothing is read from ``arrivals`` before.

    Args:
        arrivals: In order of arrival.
        start_clock: Returns the replay's clock, given the time of the first arrival.
        faults: Decides which polls fail.
        visible: Most transactions in an answer.
    """

    def __init__(
        self,
        arrivals: Iterator[Arrival],
        *,
        start_clock: Callable[[float], ReplayClock],
        faults: Faults,
        visible: int = VISIBLE,
    ) -> None:
        self._arrivals = arrivals
        self._start_clock = start_clock
        self._faults = faults
        self._visible = visible
        self._lock = threading.Lock()
        self._started: tuple[Feed, ReplayClock] | None = None
        self._subscribers: list[deque[msgspec.Raw]] = []
        self._served = 0
        self._errors = 0

    def poll(self) -> tuple[Answer, float]:
        """Return an answer and the feed's time of it.

        A fault shows nothing new and does not move a clock that is moved by polls, so
        that faults cost a replay no transaction.

        Raises:
            FatalError: The arrivals can't be read further.
        """
        with self._lock:
            feed, clock = self._start()
            if fault := self._faults.next():
                answer, now_s = fault(feed.body()), clock.now_s()
                self._errors += 1
            else:
                now_s = clock.next_s()
                self._show(feed, now_s)
                answer = Answer(status=200, content_type=JSON, body=feed.body())
                self._served += 1
            return answer, now_s

    @contextmanager
    def subscribed(self) -> Iterator[Iterator[list[msgspec.Raw]]]:
        """Subscribe until the context ends; each step yields the transactions shown since the last.

        A clock that moves by itself shows transactions at each step, one that is moved by polls
        at each good answer.

        Raises:
            FatalError: At a step: the arrivals can't be read further.
        """
        unsent: deque[msgspec.Raw] = deque()
        with self._lock:
            self._start()
            self._subscribers.append(unsent)
        try:
            yield self._steps(unsent)
        finally:
            with self._lock:
                self._subscribers = [other for other in self._subscribers if other is not unsent]

    def _steps(self, unsent: deque[msgspec.Raw]) -> Iterator[list[msgspec.Raw]]:
        while True:
            with self._lock:
                feed, clock = self._start()
                self._show(feed, clock.now_s())
                shown = list(unsent)
                unsent.clear()
            yield shown

    def _start(self) -> tuple[Feed, ReplayClock]:
        if self._started is None:
            feed = Feed(self._arrivals, visible=self._visible)
            self._started = feed, self._start_clock(feed.first_arrival_s)
        return self._started

    def _show(self, feed: Feed, now_s: float) -> None:
        shown = [arrival.tx for arrival in feed.show_until(now_s)]
        for unsent in self._subscribers:
            unsent.extend(shown)

    def status(self) -> Status:
        """Return the progress of the feed, without starting or moving it."""
        with self._lock:
            feed, clock = self._started or (None, None)
            return Status(
                served=self._served,
                errors=self._errors,
                clock=clock.now_s() if clock else None,
                exhausted=feed.exhausted if feed else False,
                transactions=feed.shown if feed else 0,
                first_arrival_at=feed.first_arrival_s if feed else None,
                last_arrival_at=feed.last_arrival_at if feed else None,
                newest_time=feed.newest_time if feed else None,
            )
