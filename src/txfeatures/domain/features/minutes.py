"""Names of the identifying features, and minutes as record identifiers [pure]."""

from datetime import UTC, datetime

from txfeatures.domain.errors import InvalidMessageError

RECORD_IDENTIFIER = "tx_minute"
EVENT_TIME = "event_time"

_FORMAT = "%Y-%m-%d %H:%M:%S"


def minute_name(minute_s: int) -> str:
    """Return the record identifier of the minute that starts at ``minute_s`` (UTC).

    >>> minute_name(1729334940)
    '2024-10-19 10:49:00'
    """
    return datetime.fromtimestamp(minute_s, UTC).strftime(_FORMAT)


def minute_start_s(name: str) -> int:
    """Return the start of the minute, in epoch seconds, of a record identifier.

    Raises:
        InvalidMessageError: ``name`` is not a whole minute written YYYY-MM-DD HH:MM:SS.
    """
    try:
        moment = datetime.fromisoformat(name)  # a tenth of strptime's time, and more than it allows
    except ValueError:
        moment = None
    if moment is None or moment.second or moment.strftime(_FORMAT) != name:
        raise InvalidMessageError(
            "bad_minute", f"{name!r} is not the start of a minute, YYYY-MM-DD HH:MM:00 (UTC)"
        )
    return int(moment.replace(tzinfo=UTC).timestamp())
