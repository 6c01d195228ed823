"""The parts that the routes of features answer from."""

from dataclasses import dataclass

from txfeatures.domain.features import Declaration
from txfeatures.process.runtime import Runtime
from txfeatures_api import logic
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.ranges import Ranges
from txfeatures_api.rows import Rows, RowStore
from txfeatures_api.settings import Settings
from txfeatures_api.stream import Hub
from txfeatures_api.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The parts that the routes answer from."""

    rows: Rows
    ranges: Ranges
    watch: Watch
    hub: Hub
    feed_clock: FeedClock
    runtime: Runtime
    declaration: Declaration

    @property
    def names(self) -> logic.Fields:
        """The names of all features, in the order of the columns."""
        return self.declaration.names


def open_features(
    settings: Settings,
    store: RowStore,
    feed_clock: FeedClock,
    runtime: Runtime,
    declaration: Declaration,
) -> Features:
    """Return the parts, wired; nothing is read yet."""
    hub = Hub(
        most=settings.streams,
        most_per_host=settings.streams_per_client,
        on_dropped=lambda number: runtime.metrics.count("stream_dropped_rows_total", number),
    )
    rows = Rows(clock=runtime.clock, on_news=hub.publish)
    return Features(
        rows=rows,
        ranges=Ranges(store, rows, clock=runtime.clock, burst=settings.range_reads),
        watch=Watch(store, rows, feed_clock, lookback_minutes=settings.lookback_minutes),
        hub=hub,
        feed_clock=feed_clock,
        runtime=runtime,
        declaration=declaration,
    )
