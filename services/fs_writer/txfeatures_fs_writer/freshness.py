"""The age of the online store by the feed's clock, and of each row by the time of day."""

import threading

from txfeatures.domain.model import Record
from txfeatures.domain.wire import fetched_at_ms
from txfeatures.process.metrics import Metrics


class Freshness:
    """Compares the newest feed time that any step has read with the newest row put.

    Both steps report the records they read: the archive's ticks move the feed's clock on
    while the Feature Store is down and no row can be put. Safe to share between threads.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._feed_time_s = 0.0
        self._event_time_s: float | None = None

    def saw(self, feed_time_ms: int) -> None:
        """Record that a record of this feed time was read."""
        with self._lock:
            self._feed_time_s = max(self._feed_time_s, feed_time_ms / 1000)
            self._show()

    def put(self, event_time_s: float) -> None:
        """Record that the online store has a row of this event time."""
        with self._lock:
            self._event_time_s = max(self._event_time_s or 0.0, event_time_s)
            self._metrics.set("event_time_seconds", self._event_time_s)
            self._show()

    def wrote(self, record: Record, *, now_s: float) -> None:
        """Record that the online store has the row in ``record``, or a newer one of its minute.

        The row's age is the time that the pipeline took, by the clocks of its machines, and
        not the feed's: so it means the same in a replay at any speed. A row that does not say
        when its polls were answered, as those of older releases, has none.
        """
        at_ms = fetched_at_ms(record)
        if at_ms is not None:
            self._metrics.observe("row_age_seconds", max(0.0, now_s - at_ms / 1000))

    def _show(self) -> None:
        if self._event_time_s is not None:
            behind_s = max(0.0, self._feed_time_s - self._event_time_s)
            self._metrics.set("freshness_seconds", behind_s)
