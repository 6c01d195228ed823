"""A subscription to the stream: its requests, its rows and its waits, without input or output.

The stream ends with every restart of the api and of anything between, so its end is normal: the
next request names the position of the last row, and the api resumes after it.

Rows come in the order in which they became known: the final row of a minute follows provisional
rows of later ones. So a row is new if its revision is the newest of its own minute. After a
reconnect the api may repeat rows of other minutes than the last one; they are left out here.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from txfeatures.client.errors import BadAnswerError, FeaturesError, UnsupportedError
from txfeatures.client.events import EventParser
from txfeatures.client.exchange import Dialect, Outcome, error_of, is_success
from txfeatures.client.messages import EVENTS, Failure, Request, Response
from txfeatures.client.position import Position
from txfeatures.client.retries import RETRIED, Retries, retry_after_s
from txfeatures.client.row import Row

PATH = "/features/stream"
ROW = "row"
NOT_THERE = frozenset({404, 405, 422})
"""Answers of a release without a stream, which takes the path for that of a minute."""
REMEMBERED_MINUTES = 3_000
"""More than the day for which a minute can be revised, and the day that the api replays."""
ENDED = Failure("the stream ended")


class Subscription:
    """The state of one stream across its connections.

    Args:
        after: The stream resumes after this position; None begins with the newest row.
        retries: Bounds of the waits; reconnects are not limited by its attempts.
        max_reconnects: Most reconnects in a row without any byte between; None for no limit.
    """

    def __init__(
        self,
        *,
        after: Position | None,
        dialect: Dialect,
        retries: Retries,
        max_reconnects: int | None,
    ) -> None:
        self._last: Position | None = None
        self._revisions: OrderedDict[str, int] = OrderedDict()
        if after is not None:
            self._remember(after)
        self._dialect = dialect
        self._retries = retries
        self._max_reconnects = max_reconnects
        self._reconnect_s = 0.0
        self._failed = 0
        self._parser = EventParser()

    @staticmethod
    def position_of(after: Row | str | None) -> Position | None:
        """Return the position of a row, or of the ``id`` of one."""
        if after is None:
            return None
        return after.position if isinstance(after, Row) else Position.parse(after)

    def request(self) -> Request:
        """Return the request of the next connection."""
        self._parser = EventParser()  # what a broken connection left half is sent again
        resume = None if self._last is None else str(self._last)
        request = Request(path=PATH, accept=EVENTS, last_event_id=resume)
        return request.under(self._dialect.prefix)

    def receive(self, chunk: bytes) -> Iterator[Row]:
        """Yield the new rows that ``chunk`` completes, each once.

        Raises:
            BadAnswerError: An event is no row.
        """
        self._failed = 0
        self._dialect.is_known = True
        for event in self._parser.feed(chunk):
            if event.name != ROW:
                continue
            row = Row.of(Response(status=200, headers={}, body=event.data.encode()).json())
            if row.revision > self._revisions.get(row.tx_minute, 0):
                self._remember(row.position)
                yield row
        self._reconnect_s = self._parser.retry_s or self._reconnect_s

    def is_open(self, status: int, headers: Any) -> bool:
        """Return whether an answer is the stream.

        Raises:
            BadAnswerError: It is a success of another kind.
        """
        response = Response(status=status, headers=headers)
        if not is_success(response):
            return False
        if response.media_type != EVENTS:
            raise BadAnswerError(
                f"The answer is no stream ({response.media_type or 'no media type'}); "
                "check that the address is that of the api."
            )
        return True

    def wait_s(self, outcome: Outcome) -> float:
        """Return the seconds before the next connection, after ``outcome`` ended the last.

        Raises:
            FeaturesError: No further connection can succeed, or there were too many.
        """
        asked_s = None
        if isinstance(outcome, Response):
            if outcome.status not in RETRIED:
                return self._other_dialect_s(outcome)
            asked_s = retry_after_s(outcome)
        self._failed += 1
        if self._max_reconnects is not None and self._failed > self._max_reconnects:
            raise error_of(outcome)
        # A random part, so that a restarted api does not meet all of its clients at once.
        return max(asked_s or 0.0, self._reconnect_s) + self._retries.backoff_s(self._failed)

    def _remember(self, position: Position) -> None:
        self._last = position
        self._revisions[position.tx_minute] = position.revision
        self._revisions.move_to_end(position.tx_minute)
        if len(self._revisions) > REMEMBERED_MINUTES:
            self._revisions.popitem(last=False)

    def _other_dialect_s(self, outcome: Response) -> float:
        if outcome.status not in NOT_THERE:
            raise error_of(outcome)
        if self._dialect.has_v1 and not self._dialect.is_known:
            self._dialect.prefix = ""
            return 0.0
        raise _unsupported() from error_of(outcome)


def _unsupported() -> FeaturesError:
    return UnsupportedError(
        "This api has no stream; upgrade it, or call `latest()` once a minute instead."
    )
