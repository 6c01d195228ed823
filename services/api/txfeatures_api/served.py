"""A row as it is served: its JSON is made once for all requests."""

from email.utils import formatdate
from typing import Any

import msgspec

from txfeatures.domain.features import EVENT_TIME, minute_start_s
from txfeatures.domain.model import Row
from txfeatures_api import logic
from txfeatures_api.logic import Fields

_encode = msgspec.json.Encoder().encode


class ServedRow:
    """One revision of one minute, with the bytes that are sent.

    The last answer and the last event are kept, since all clients get the same.
    """

    __slots__ = (
        "_answer",
        "_event",
        "_json",
        "event_time_s",
        "headers",
        "minute_s",
        "revision",
        "row",
        "tag",
    )

    def __init__(self, row: Row) -> None:
        self.row = row
        self.minute_s = minute_start_s(logic.name(row))
        self.revision = int(row["revision"])
        self.event_time_s = float(row[EVENT_TIME])
        self.tag = logic.etag(row)
        self.headers = {
            "Cache-Control": "no-cache",  # it may be kept, but is true for a second
            "ETag": self.tag,
            "Last-Modified": formatdate(self.event_time_s, usegmt=True),
        }
        self._json: tuple[Any, bytes] = (None, b"")
        self._answer: tuple[Any, bytes] = (None, b"")
        self._event: tuple[Any, bytes] = (None, b"")

    @property
    def is_final(self) -> bool:
        """True for a final row and for a correction of one."""
        return bool(self.row["is_final"])

    def answer(self, feed_time_ms: int, fields: Fields) -> bytes:
        """Return it as a JSON object with its age; null for features that it lacks."""
        key = (feed_time_ms, fields)
        kept, body = self._answer  # one read: threads may replace it
        if kept != key:
            age = logic.staleness_s(self.row, feed_time_ms)
            end = f',"staleness_s":{age},"as_of":"{logic.as_of(feed_time_ms)}"}}'
            body = self._start(fields) + end.encode()
            self._answer = (key, body)
        return body

    def event(self, feed_time_ms: int, fields: Fields) -> bytes:
        """Return it as an event of the stream."""
        key = (feed_time_ms, fields)
        kept, event = self._event
        if kept != key:
            head = f"event: row\nid: {logic.event_id(self.row)}\ndata: ".encode()
            end = f',"as_of":"{logic.as_of(feed_time_ms)}"}}\n\n'
            event = head + self._start(fields) + end.encode()
            self._event = (key, event)
        return event

    def _start(self, fields: Fields) -> bytes:
        kept, start = self._json
        if kept != fields:
            start = _encode({name: self.row.get(name) for name in fields})[:-1]
            self._json = (fields, start)
        return start
