"""The age of the online store by the feed's clock, as a metric."""

import threading

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

    def _show(self) -> None:
        if self._event_time_s is not None:
            behind_s = max(0.0, self._feed_time_s - self._event_time_s)
            self._metrics.set("freshness_seconds", behind_s)
