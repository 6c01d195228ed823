"""Decisions of the api: the minutes to read, the row to answer with, and its entity tag.

Minutes are epoch seconds of their start. "Now" is the feed's clock, never the machine's, so that
a recording of any date is served as if it were live.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import (
    EVENT_TIME,
    RECORD_IDENTIFIER,
    minute_name,
    minute_start_s,
)
from txfeatures.domain.model import MINUTE_S, Row

FIRST_LOOK_MINUTES = 10
LARGEST_LOOK_MINUTES = 100

AHEAD_S = MINUTE_S
"""The source dates transactions a second or two past the clock it answers with."""

MINUTE_FORMATS = "YYYY-MM-DD HH:MM:00, YYYY-MM-DDTHH:MM:00Z or epoch seconds of a whole minute"

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


def looks(
    *, feed_time_ms: int, lookback_minutes: int, known: Row | None
) -> Iterator[Sequence[int]]:
    """Yield the batches of minutes to search for the latest row, newest first.

    The first batch is short, since the latest row of a live feed is near; later ones are long.

    Args:
        feed_time_ms: The feed's clock.
        lookback_minutes: Minutes to search before the feed's clock.
        known: The latest known row; minutes before it need no search.
    """
    known_s = 0 if known is None else minute_start_s(name(known))
    end_s = minute_of(feed_time_ms) + AHEAD_S
    start_s = max(0, minute_of(feed_time_ms) - lookback_minutes * MINUTE_S, known_s)
    length = FIRST_LOOK_MINUTES
    while end_s >= start_s:
        look_start_s = max(start_s, end_s - (length - 1) * MINUTE_S)
        yield minutes_between(look_start_s, end_s)
        end_s = look_start_s - MINUTE_S
        length = LARGEST_LOOK_MINUTES


def name(row: Row) -> str:
    """Return the record identifier of a row; identifiers sort as their minutes do."""
    return str(row[RECORD_IDENTIFIER])


def choose_latest(rows: Iterable[Row], *, only_final: bool) -> Row | None:
    """Return the row of the newest minute, among all or only the final ones; None for none."""
    return max((row for row in rows if row["is_final"] or not only_final), key=_age, default=None)


def newer(known: Row | None, row: Row) -> Row:
    """Return the one that is newer by minute, then by revision; ``row`` if they are equal."""
    return known if known is not None and _age(known) > _age(row) else row


def staleness_s(row: Row, feed_time_ms: int) -> float:
    """Return how many seconds before the feed's clock the row became known; at least 0."""
    return max(0.0, round(feed_time_ms / 1000 - float(row[EVENT_TIME]), 3))


def as_of(feed_time_ms: int) -> str:
    """Return a time of the feed's clock as ISO 8601, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(feed_time_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def etag(row: Row) -> str:
    """Return the strong entity tag of a row: its minute and revision.

    The minute is written with a T, since an entity tag must not hold a space.
    """
    return f'"{name(row).replace(" ", "T")}Z:{row["revision"]}"'


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
