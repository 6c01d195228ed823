"""Options that the commands over the past share."""

from datetime import UTC, datetime
from typing import Annotated

import typer

ARCHIVE = "archive"
OFFLINE_STORE = "offline-store"

FORMATS = [
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
]

Start = Annotated[
    datetime | None,
    typer.Option(formats=FORMATS, metavar="TIME", help="First minute, UTC. Default: all there is."),
]
End = Annotated[
    datetime | None,
    typer.Option(
        formats=FORMATS, metavar="TIME", help="Minute after the last, UTC. Default: all there is."
    ),
]
Moment = Annotated[
    datetime | None,
    typer.Option(formats=FORMATS, metavar="TIME", help="Only rows known at this moment, UTC."),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON, one object a line.")
]


def epoch_s(moment: datetime) -> int:
    """Return the epoch seconds of a moment that was given without a zone."""
    return int(moment.replace(tzinfo=UTC).timestamp())
