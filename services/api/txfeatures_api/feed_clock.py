"""The feed's clock in the api: the newest heartbeat of the topic ``feed``."""

from collections.abc import Iterable
from typing import Protocol

from txfeatures.domain import topics, wire
from txfeatures.domain.errors import InvalidMessageError, TransientError
from txfeatures.domain.model import Record
from txfeatures.process.logs import get_logger
from txfeatures.process.runtime import Runtime, Step, backoff_s

POLL_S = 1.0

log = get_logger(__name__)


class Tail(Protocol):
    """A source of heartbeats."""

    def poll(self, timeout_s: float) -> list[Record]:
        """Return the records since the last call; the first time, the last record of the topic."""
        ...


class FeedClock:
    """The newest feed time received; read by requests, moved by one thread, never back."""

    def __init__(self) -> None:
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
            raise TransientError(
                f"The feed's clock is not known yet: the topic {topics.FEED} has no heartbeat; "
                "start a poller, or wait for Kafka."
            )
        return self._now_ms

    def receive(self, records: Iterable[Record]) -> None:
        """Move the clock by records of ``feed``; unreadable ones are logged and ignored."""
        for record in records:
            try:
                received_ms = wire.decode_heartbeat(record.value).feed_time_ms
            except InvalidMessageError as error:
                log.warning("heartbeat_unreadable", offset=record.offset, error=str(error))
            else:
                self._now_ms = max(received_ms, self._now_ms or received_ms)


def follow(feed_clock: FeedClock, *, tail: Tail, runtime: Runtime) -> Step:
    """Return the step that keeps ``feed_clock`` up to date, however long Kafka is unreachable.

    Unlike other steps it never gives up: rows can be served with the last known time.
    """
    failures = 0

    def step() -> None:
        nonlocal failures
        try:
            feed_clock.receive(tail.poll(POLL_S))
        except TransientError as error:
            failures += 1
            log.warning("feed_unreachable", attempt=failures, error=str(error))
            runtime.clock.wait(runtime.stop, backoff_s(failures))
        else:
            failures = 0

    return step
