"""The end of a replay, found from Kafka's offsets, stage after stage.

A poller publishes its heartbeat after the transactions of the same poll. Once each poller's
heartbeat is past the time at which every window is closed, a stage is done when it has
committed everything that the stage before it had written.
"""

from collections.abc import Callable, Iterator, Mapping

import httpx
import msgspec

from txfeatures.domain import wire
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import MINUTE_S
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, PARTIALS, RAW
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.source import committed_ends
from txfeatures.kafka.tails import KafkaTail
from txfeatures.process.settings import KafkaSettings
from txfeatures_local.demo.plan import ARCHIVE_CUT_S
from txfeatures_local.source.endpoint import Status

RUN_ON_S = 2 * MINUTE_S + ARCHIVE_CUT_S
"""More than out-of-orderness, idleness and an archive cut take together."""

_READS = (
    (RAW, ("dedup",)),
    (DEDUPED, ("aggregator", "fs_writer-archive")),
    (PARTIALS, ("aggregator",)),
    (FEED, ("aggregator",)),
    (AGGREGATED, ("fs_writer-features",)),
)
"""Each topic and the groups that must have read it, upstream first."""


def closing_time_s(status: Status) -> int | None:
    """Return the feed's time at which every window is closed, None while arrivals remain."""
    if not status.exhausted:
        return None
    newest_s = max(status.newest_time or 0, int(status.last_arrival_at or 0))
    return (newest_s // MINUTE_S + 1) * MINUTE_S + RUN_ON_S


class Drain:
    """Follows a replay to its end; call ``is_done`` until it returns True.

    Args:
        kafka: The stack's Kafka.
        status: Requests the source's status.
        pollers: Number of pollers that must have seen the end.
    """

    def __init__(self, kafka: KafkaSettings, *, status: Callable[[], Status], pollers: int) -> None:
        self._kafka = kafka
        self._admin = KafkaAdmin(kafka)
        self._tail = KafkaTail(kafka, FEED)
        self._status = status
        self._pollers = pollers
        self._feed_time_ms: dict[str, int] = {}
        self._steps = self._follow()
        self._done = False

    def is_done(self) -> bool:
        """Return whether everything has arrived; False while no broker can be reached."""
        try:
            self._done = self._done or next(self._steps, True)
        except TransientError:
            self._steps = self._follow()  # a generator that raised would count as finished
        return self._done

    def close(self) -> None:
        """Close the connections."""
        self._tail.close()
        self._admin.close()

    def _follow(self) -> Iterator[bool]:
        while not self._pollers_saw_the_end():
            yield False
        for topic, groups in _READS:
            end = committed_ends(self._kafka, topic)
            for group in groups:
                while not reaches(self._admin.committed(group, topic), end):
                    yield False
        yield True

    def _pollers_saw_the_end(self) -> bool:
        for record in self._tail.poll(0.01):
            heartbeat = wire.decode_heartbeat(record.value)
            self._feed_time_ms[heartbeat.poller] = heartbeat.feed_time_ms
        closing_s = closing_time_s(self._status())
        if closing_s is None:
            return False
        ended = [ms for ms in self._feed_time_ms.values() if ms >= closing_s * 1000]
        return len(ended) >= self._pollers


def reaches(committed: Mapping[int, int], end: Mapping[int, int]) -> bool:
    """Return whether a group has read each partition up to ``end``; an empty one needs nothing."""
    return all(committed.get(part, 0) >= offset for part, offset in end.items())


def read_status(url: str, client: httpx.Client) -> Status:
    """Request the source's status."""
    return msgspec.json.decode(client.get(url).content, type=Status)
