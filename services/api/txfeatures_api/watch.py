"""The step that reads the newest rows: one read of the store, whatever the load."""

from collections.abc import Callable

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import MINUTE_S
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step
from txfeatures_api import logic
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.rows import UNREAD, Rows, RowStore
from txfeatures_api.unavailable import UnavailableError

UNREAD_S = 10.0
"""The latest row is served for so long after the last good read of the store."""

CLOCK_S = 0.05
"""Seconds between two looks at the feed's clock until it is known."""

log = get_logger(__name__)


class Watch:
    """Reads the open minutes, those that are owed, and, until a row is known, older ones."""

    def __init__(
        self, store: RowStore, rows: Rows, feed_clock: FeedClock, *, lookback_minutes: int
    ) -> None:
        self._store = store
        self._rows = rows
        self._feed_clock = feed_clock
        self._lookback_s = lookback_minutes * MINUTE_S
        self._looked_from_s: int | None = None
        self.read_s: float | None = None

    @property
    def can_read(self) -> bool:
        """True once the feed's clock is known."""
        return self._feed_clock.is_known

    def read(self, now_s: float) -> None:
        """Read once.

        Args:
            now_s: The time, by the process's clock.

        Raises:
            TransientError: The store is unavailable, or the feed's clock is not known yet.
            FatalError: The store refuses for good.
        """
        window = logic.window(self._feed_clock.now_ms())
        minutes = dict.fromkeys(window)
        minutes |= dict.fromkeys(self._rows.owed(logic.LARGEST_READ_MINUTES - len(window)))
        older = self._look_back(window, logic.LARGEST_READ_MINUTES - len(minutes))
        read = [*minutes, *(minute_s for minute_s in older if minute_s not in minutes)]
        self._rows.receive(read, self._store.read(read), watched_from_s=window[0])
        self._looked_from_s = older.start
        self.read_s = now_s

    def require(self, now_s: float) -> None:
        """Raise TransientError if the last good read is too long ago."""
        if self.read_s is None or now_s - self.read_s > UNREAD_S:
            raise UnavailableError(UNREAD)

    def _look_back(self, window: range, most: int) -> range:
        """Return the minutes to read before the window, until a row and a final row are known."""
        window_from_s, now_s = window[0], window[-1] - logic.AHEAD_S
        first_s = max(0, now_s - self._lookback_s)
        is_found = self._rows.latest() and self._rows.latest(only_final=True)
        if self._looked_from_s is None or is_found:
            end_s, most = window_from_s, 0  # the latest row of a live feed is in the window
        else:
            end_s = self._looked_from_s
        return range(max(min(first_s, end_s), end_s - most * MINUTE_S), end_s, MINUTE_S)


def watch(
    watch: Watch,
    *,
    interval_s: float,
    runtime: Runtime,
    on_clock: Callable[[], None],
    on_read: Callable[[], None],
    on_stop: Callable[[], None],
) -> Step:
    """Return the step that reads every ``interval_s``, however long the store is out of reach.

    A store that refuses before the first good read ends the process.

    Args:
        watch: What is read.
        interval_s: Seconds between two reads.
        runtime: The stop flag and the clock.
        on_clock: Called when the feed's clock is known.
        on_read: Called after each good read.
        on_stop: Called once the stop flag is set.
    """

    def read() -> None:
        if not watch.can_read:
            return
        on_clock()
        try:
            watch.read(runtime.clock.monotonic())
        except TransientError as error:
            log.warning("store_unreachable", error=str(error))
        except FatalError as error:
            if watch.read_s is None:
                raise
            log.error("store_refused", error=str(error))
        else:
            on_read()

    def step() -> None:
        try:
            read()
        finally:
            if runtime.clock.wait(runtime.stop, interval_s if watch.can_read else CLOCK_S):
                on_stop()

    return step
