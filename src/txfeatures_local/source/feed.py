"""The visible transactions: the newest 100 of a stream of arrivals."""

import heapq
from collections.abc import Iterator

from txfeatures.archive.recording import Arrival
from txfeatures.domain.errors import FatalError

VISIBLE = 100  # as the live endpoint, 2022-2024
_SKEW_S = 120  # a transaction dated further ahead of its arrival than this has a wrong time


class Feed:
    """The endpoint's view of a stream, which holds the visible arrivals and one more.

    Args:
        arrivals: In order of arrival; read no further than the time shown, plus one.
        visible: Most transactions in an answer.

    Raises:
        FatalError: There is no arrival; errors of ``arrivals`` pass through.
    """

    def __init__(self, arrivals: Iterator[Arrival], *, visible: int = VISIBLE) -> None:
        first = next(arrivals, None)
        if first is None:
            raise FatalError("The source has no transactions to show: give it a recording.")
        self.first_arrival_s = first.arrived_at
        self._arrivals = arrivals
        self._most = visible
        self._next: Arrival | None = first
        # A heap with the oldest visible on top. The running number breaks ties, so that
        # two arrivals are never compared themselves.
        self._visible: list[tuple[int, int, int, Arrival]] = []
        self.shown = 0
        self.last_arrival_at: float | None = None
        self.newest_time: int | None = None

    @property
    def exhausted(self) -> bool:
        """True once every arrival has been shown."""
        return self._next is None

    def show_until(self, feed_time_s: float) -> list[Arrival]:
        """Show the arrivals up to ``feed_time_s``, inclusive, and return them."""
        shown = []
        while self._next is not None and self._next.arrived_at <= feed_time_s:
            self._show(self._next)
            shown.append(self._next)
            self._next = next(self._arrivals, None)
        return shown

    def body(self) -> bytes:
        """Return the endpoint's answer: the visible transactions, each as it was recorded.

        Newest first by ``time``; within a second by ``tx_index``, which is a hash and
        unrelated to the order of arrival.
        """
        newest_first = sorted(self._visible, reverse=True)
        return b'{"txs":[' + b",".join(bytes(arrival.tx) for *_, arrival in newest_first) + b"]}"

    def _show(self, arrival: Arrival) -> None:
        entry = (arrival.time, arrival.tx_index, self.shown, arrival)
        if len(self._visible) < self._most:
            heapq.heappush(self._visible, entry)
        else:
            heapq.heappushpop(self._visible, entry)
        self.shown += 1
        self.last_arrival_at = arrival.arrived_at
        if arrival.time <= arrival.arrived_at + _SKEW_S:
            self.newest_time = max(self.newest_time or 0, arrival.time)
