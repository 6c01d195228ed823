"""The feed's clock in the api: the newest heartbeat of the topic ``feed``."""

from collections.abc import Iterable

from txfeatures.domain import topics, wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import Record
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step
from txfeatures_api.following import Tail, follow_tail
from txfeatures_api.unavailable import UnavailableError

log = get_logger(__name__)


class FeedClock:
    """The newest feed time received; read by requests, moved by one thread, never back.

    Attributes:
        polls: Heartbeats received.
        failed_polls: Those whose poll had no answer.
        gaps: Those that report a gap.
    """

    def __init__(self) -> None:
        self.polls = self.failed_polls = self.gaps = 0
        self._now_ms: int | None = None

    @property
    def is_known(self) -> bool:
        """True once a heartbeat has been received."""
        return self._now_ms is not None

    def now_ms(self) -> int:
        """Return the feed's clock, epoch milliseconds.

        Raises:
            TransientError: No heartbeat has been received yet.
        """
        if self._now_ms is None:
            raise UnavailableError(
                f"The feed's clock is not known yet: the topic {topics.FEED} has no heartbeat; "
                "start a poller, or wait for Kafka."
            )
        return self._now_ms

    def receive(self, records: Iterable[Record]) -> None:
        """Move the clock by records of ``feed``; unreadable ones are logged and ignored."""
        for record in records:
            try:
                heartbeat = wire.decode_heartbeat(record.value)
            except InvalidMessageError as error:
                log.warning("heartbeat_unreadable", offset=record.offset, error=str(error))
            else:
                self.polls += 1
                self.failed_polls += not heartbeat.is_alive
                self.gaps += heartbeat.gap
                self._now_ms = max(heartbeat.feed_time_ms, self._now_ms or 0)


def follow(feed_clock: FeedClock, *, tail: Tail, runtime: Runtime) -> Step:
    """Return the step that keeps ``feed_clock`` up to date; the last known time lasts meanwhile."""
    return follow_tail(tail, feed_clock.receive, unreachable="feed_unreachable", runtime=runtime)
