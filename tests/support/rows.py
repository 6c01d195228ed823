"""Records of ``aggregated`` that hold a row each."""

from tests.support.declared import EMPTY, row
from txfeatures.domain.model import Headers, Partial, Record
from txfeatures.domain.wire import encode_row

MINUTE_S = 1_729_334_940
"""2024-10-19 10:49:00"""


def row_record(
    offset: int,
    minute: int = 0,
    revision: int = 1,
    *,
    final: bool = False,
    partition: int = 0,
    partial: Partial = EMPTY,
    millis: int = 0,
    headers: Headers = (),
) -> Record:
    """Return the record of a row that is as many seconds younger than its minute as revisions.

    Args:
        minute: Counted from ``MINUTE_S``.
        millis: Of the event time, beyond its seconds.
    """
    start_s = MINUTE_S + 60 * minute
    value = row(
        partial,
        minute_s=start_s,
        event_time_ms=(start_s + revision) * 1000 + millis,
        revision=revision,
        is_final=final,
        gaps=0,
    )
    return Record(
        topic="aggregated",
        partition=partition,
        offset=offset,
        key=str(value["tx_minute"]).encode(),
        value=encode_row(value),
        timestamp_ms=(start_s + revision) * 1000,
        headers=headers,
    )
