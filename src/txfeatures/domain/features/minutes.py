"""Names of the identifying features, and minutes as record identifiers [pure]."""

from datetime import UTC, datetime

from txfeatures.domain.errors import InvalidMessageError

RECORD_IDENTIFIER = "tx_minute"
EVENT_TIME = "event_time"


def minute_name(minute_s: int) -> str:
    """Return the record identifier of the minute that starts at ``minute_s`` (UTC).

    >>> minute_name(1729334940)
    '2024-10-19 10:49:00'
    """
    return datetime.fromtimestamp(minute_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def minute_start_s(name: str) -> int:
    """Return the start of the minute, in epoch seconds, of a record identifier.

    Raises:
        InvalidMessageError: ``name`` is not a whole minute written YYYY-MM-DD HH:MM:SS.
    """
    try:
        moment = datetime.strptime(name, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidMessageError(
            "bad_minute", f"{name!r} is not YYYY-MM-DD HH:MM:SS (UTC)"
        ) from error
    if moment.second or moment.strftime("%Y-%m-%d %H:%M:%S") != name:
        raise InvalidMessageError("bad_minute", f"{name!r} is not the start of a minute")
    return int(moment.timestamp())
