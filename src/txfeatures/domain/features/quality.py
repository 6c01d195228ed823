"""The features that describe a row itself; every declaration has them [pure]."""

from txfeatures.domain.features.kinds import Feature
from txfeatures.domain.features.minutes import EVENT_TIME, RECORD_IDENTIFIER

BEFORE: tuple[Feature, ...] = (
    Feature(
        name=RECORD_IDENTIFIER,
        type="String",
        unit="UTC",
        description="The minute, YYYY-MM-DD HH:MM:SS; the record identifier.",
    ),
)
"""Columns before the computed ones."""

AFTER: tuple[Feature, ...] = (
    Feature(
        name="revision",
        type="Integral",
        unit="",
        description="Number of this row of the minute, from 1.",
    ),
    Feature(
        name="is_final",
        type="Integral",
        unit="",
        description="1 once the watermark has passed the minute, 0 for a provisional row.",
    ),
    Feature(
        name="nb_late_trx_1min",
        type="Integral",
        unit="transactions",
        description="Counted transactions that arrived after the watermark had passed the minute.",
    ),
    Feature(
        name="nb_gaps_1min",
        type="Integral",
        unit="",
        description="Times the feed outran the poll during the minute.",
    ),
    Feature(
        name=EVENT_TIME,
        type="Fractional",
        unit="epoch seconds",
        description="Feed time at which this row became known; strictly greater with each "
        "revision.",
    ),
)
"""Columns after the computed ones."""

COUNT = "total_nb_trx_1min"
"""The count of a minute's transactions: every declaration has it, and the audit compares it."""

ALWAYS: tuple[Feature, ...] = (
    *BEFORE,
    Feature(name=COUNT, type="Integral", unit="transactions", description="Transactions."),
    *AFTER,
)
"""Columns of every row, whatever its declaration."""

REQUIRED = frozenset(feature.name for feature in ALWAYS)
"""Names of the columns of every row; others may be null, or younger than the row."""
