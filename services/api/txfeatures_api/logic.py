"""Decisions of the api: the minutes to read, the row to answer with, and its entity tag.

Minutes are epoch seconds of their start. "Now" is the feed's clock, never the machine's, so that
a recording of any date is served as if it were live.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import (
    EVENT_TIME,
    RECORD_IDENTIFIER,
    minute_name,
    minute_start_s,
)
from txfeatures.domain.model import MINUTE_S, Row

EARLIEST_S = 2 * MINUTE_S
"""A minute's first row may become known so long before it: transactions are dated ahead."""

OPEN_MINUTES = 10
"""Minutes before the feed's clock that are read again and again: a minute is final after two."""

LARGEST_READ_MINUTES = 100
"""Most minutes of one read: one BatchGetRecord."""

RESUMED_MINUTES = 1_440
"""Most minutes that a resumed stream goes back."""

AHEAD_S = MINUTE_S
"""The source dates transactions a second or two past the clock it answers with."""

MINUTE_FORMATS = "YYYY-MM-DD HH:MM:00, YYYY-MM-DDTHH:MM:00Z or epoch seconds of a whole minute"

MINUTE_PATTERN = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:00"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00Z|[0-9]{0,11}0)$"
)
"""``MINUTE_FORMATS`` for the api's description. A pattern can't say all: that a day exists."""

IDENTITY = (RECORD_IDENTIFIER, "revision")
"""Features that every answer has, whatever its fields."""

Fields = tuple[str, ...]
"""Names of features, in the declared order."""

_CURSOR = re.compile(r"([0-9]{1,12})-([0-9]{1,12})")
_EPOCH = re.compile(r"[0-9]{1,12}")
_ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a range of minutes, both ends included.

    Attributes:
        first_s: Its first minute.
        last_s: Its last minute; before ``first_s`` if the page is empty.
        next_s: The start of the rest of the range, or None if there is no more.
    """

    first_s: int
    last_s: int
    next_s: int | None


def parse_minute(text: str) -> int:
    """Return the minute that ``text`` names in one of ``MINUTE_FORMATS``.

    Raises:
        InvalidMessageError: It names none; the detail lists the formats.
    """
    try:
        minute_s = minute_start_s(_identifier(text))
    except (InvalidMessageError, ValueError, OverflowError):  # the last two: beyond year 9999
        minute_s = -1
    if minute_s < 0:
        raise InvalidMessageError(
            "bad_minute", f"{text!r} is not a minute since 1970; write {MINUTE_FORMATS} (UTC)."
        )
    return minute_s


def parse_fields(text: str | None, declared: Fields) -> Fields:
    """Return the features that ``text`` lists, comma-separated, and the identity of a row.

    Without a text that is ``declared`` itself.

    Raises:
        InvalidMessageError: One of them is not declared.
    """
    if text is None:
        return declared
    names = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := sorted(names.difference(declared)):
        raise InvalidMessageError(
            "bad_fields",
            f"fields: {', '.join(unknown)} is not declared; /v1/features/declared lists the names.",
        )
    return tuple(name for name in declared if name in names or name in IDENTITY)


def cursor(page: "Page", last_s: int) -> str | None:
    """Return the cursor of the rest of a range that ends at ``last_s``; None if there is none."""
    return None if page.next_s is None else f"{page.next_s}-{last_s}"


def parse_cursor(text: str) -> tuple[int, int]:
    """Return the first and the last minute of the rest of a range.

    Raises:
        InvalidMessageError: ``text`` is no cursor.
    """
    if (found := _CURSOR.fullmatch(text)) is None:
        raise InvalidMessageError(
            "bad_cursor", f"{text!r} is not a cursor; send `next` of the page before, unchanged."
        )
    first_s, last_s = parse_minute(found[1]), parse_minute(found[2])
    return first_s, last_s


def event_id(row: Row) -> str:
    """Return the id of a row in the stream: its minute and revision."""
    return f"{name(row).replace(' ', 'T')}Z/{row['revision']}"


def parse_event_id(text: str) -> tuple[int, int]:
    """Return minute and revision of a row's id in the stream.

    Raises:
        InvalidMessageError: ``text`` is no such id.
    """
    minute, slash, revision = text.partition("/")
    if not slash or not _EPOCH.fullmatch(revision):
        raise InvalidMessageError(
            "bad_event_id",
            f"Last-Event-ID: {text!r} is not MINUTE/REVISION, as the stream sent it.",
        )
    return parse_minute(minute), int(revision)


def missed(rows: Sequence[Row], *, minute_s: int, revision: int) -> list[Row]:
    """Return those of ``rows`` that a client may lack, in the order in which they became known.

    A row of a minute may become known after one of a later minute. So the event time decides:
    that of the client's last row, or, if its minute has a newer revision now, a time before any
    of its rows can have become known. A few rows may therefore be sent twice.
    """
    since_s = float(minute_s - EARLIEST_S)
    for row in rows:
        if name(row) == minute_name(minute_s) and row["revision"] == revision:
            since_s = float(row[EVENT_TIME])
    last = minute_name(minute_s), revision
    newer_rows = [
        row
        for row in rows
        if _age(row) > last or (float(row[EVENT_TIME]) > since_s and name(row) != last[0])
    ]
    return sorted(newer_rows, key=lambda row: (float(row[EVENT_TIME]), _age(row)))


def minute_of(feed_time_ms: int) -> int:
    """Return the present minute of the feed's clock."""
    return feed_time_ms // 1000 // MINUTE_S * MINUTE_S


def page(*, first_s: int | None, last_s: int | None, limit: int, feed_time_ms: int) -> Page:
    """Return the first ``limit`` minutes of a range.

    Args:
        first_s: First minute; None for the ``limit`` minutes up to ``last_s``.
        last_s: Last minute, included; None for the feed's present minute.
        limit: Most minutes on the page.
        feed_time_ms: The feed's clock.

    Raises:
        InvalidMessageError: The range ends before it starts.
    """
    if first_s is not None and last_s is not None and last_s < first_s:
        raise InvalidMessageError("bad_range", "`from` must not be later than `to`.")
    last_s = minute_of(feed_time_ms) if last_s is None else last_s
    span_s = (limit - 1) * MINUTE_S
    first_s = max(0, last_s - span_s) if first_s is None else first_s
    end_s = min(last_s, first_s + span_s)
    return Page(first_s=first_s, last_s=end_s, next_s=end_s + MINUTE_S if end_s < last_s else None)


def minutes_between(first_s: int, last_s: int) -> range:
    """Return the minutes from ``first_s`` to ``last_s``, both included."""
    return range(first_s, last_s + MINUTE_S, MINUTE_S)


def window(feed_time_ms: int) -> range:
    """Return the minutes that may get a first row or a new revision now."""
    now_s = minute_of(feed_time_ms)
    return minutes_between(max(0, now_s - (OPEN_MINUTES - 1) * MINUTE_S), now_s + AHEAD_S)


def name(row: Row) -> str:
    """Return the record identifier of a row; identifiers sort as their minutes do."""
    return str(row[RECORD_IDENTIFIER])


def staleness_s(row: Row, feed_time_ms: int) -> float:
    """Return how many seconds before the feed's clock the row became known; at least 0."""
    return max(0.0, round(feed_time_ms / 1000 - float(row[EVENT_TIME]), 3))


@lru_cache(maxsize=8)
def as_of(feed_time_ms: int) -> str:
    """Return a time of the feed's clock as ISO 8601, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(feed_time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def etag(row: Row) -> str:
    """Return the strong entity tag of a row: its minute and revision.

    The minute is written with a T, since an entity tag must not hold a space.
    """
    return f'"{name(row).replace(" ", "T")}Z:{row["revision"]}"'


def range_etag(tags: Sequence[str], *parts: str) -> str:
    """Return the strong entity tag of rows with ``tags``, in a form that ``parts`` name."""
    digest = hashlib.blake2b("\n".join([*tags, *parts]).encode(), digest_size=16)
    return f'"{digest.hexdigest()}"'


def is_match(if_none_match: str, tag: str) -> bool:
    """Return whether the header If-None-Match (RFC 9110, 13.1.2) names ``tag``."""
    given = [item.strip().removeprefix("W/") for item in if_none_match.split(",")]
    return tag in given or "*" in given


def _identifier(text: str) -> str:
    if _EPOCH.fullmatch(text):
        return minute_name(int(text))
    if iso := _ISO.fullmatch(text):
        return f"{iso[1]} {iso[2]}"
    return text


def _age(row: Row) -> tuple[str, int]:
    return name(row), int(row["revision"])
