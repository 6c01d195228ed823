"""The declared features, written by `python -m clients.generate`; do not edit."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFeatures:
    """The declared features; None where the row is older than the feature."""

    tx_minute: str
    """The minute, YYYY-MM-DD HH:MM:SS; the record identifier. Unit: UTC."""
    total_nb_trx_1min: int
    """Transactions whose time lies in the minute. Unit: transactions."""
    revision: int
    """Number of this row of the minute, from 1."""
    is_final: int
    """1 once the watermark has passed the minute, 0 for a provisional row."""
    nb_late_trx_1min: int
    """Counted transactions that arrived after the watermark had passed the minute. Unit:
    transactions."""
    nb_gaps_1min: int
    """Times the feed outran the poll during the minute."""
    event_time: float
    """Feed time at which this row became known; strictly greater with each revision. Unit: epoch
    seconds."""
    total_fee_1min: int | None = None
    """Sum of their fees, exact. Unit: satoshi."""
    avg_fee_1min: float | None = None
    """total_fee / total_nb_trx, 0 for an empty minute. Unit: satoshi."""
    min_fee_1min: int | None = None
    """Smallest of their fees, 0 for an empty minute. Unit: satoshi."""
    max_fee_1min: int | None = None
    """Largest of their fees, 0 for an empty minute. Unit: satoshi."""
    fee_rate_p10_1min: float | None = None
    """Fee rate that 10 % of the transactions do not exceed, 0 for an empty minute. Unit:
    satoshi/vbyte. Error: 1 %, or 0.001 if that is more."""
    fee_rate_p50_1min: float | None = None
    """Fee rate that 50 % of the transactions do not exceed, 0 for an empty minute. Unit:
    satoshi/vbyte. Error: 1 %, or 0.001 if that is more."""
    fee_rate_p90_1min: float | None = None
    """Fee rate that 90 % of the transactions do not exceed, 0 for an empty minute. Unit:
    satoshi/vbyte. Error: 1 %, or 0.001 if that is more."""
    total_vsize_1min: int | None = None
    """Sum of their virtual sizes, a quarter of the weight rounded up. Unit: vbytes."""
    total_output_value_1min: int | None = None
    """Sum of the values of their outputs, change included. Unit: satoshi."""
    rbf_share_1min: float | None = None
    """Share of the transactions, 0 to 1, that signal replace-by-fee; 0 for an empty minute."""


TYPES: Mapping[str, type] = {
    "tx_minute": str,
    "total_nb_trx_1min": int,
    "total_fee_1min": int,
    "avg_fee_1min": float,
    "min_fee_1min": int,
    "max_fee_1min": int,
    "fee_rate_p10_1min": float,
    "fee_rate_p50_1min": float,
    "fee_rate_p90_1min": float,
    "total_vsize_1min": int,
    "total_output_value_1min": int,
    "rbf_share_1min": float,
    "revision": int,
    "is_final": int,
    "nb_late_trx_1min": int,
    "nb_gaps_1min": int,
    "event_time": float,
}
"""Type of each feature, in the order of declaration."""

REQUIRED = frozenset(
    {
        "tx_minute",
        "total_nb_trx_1min",
        "revision",
        "is_final",
        "nb_late_trx_1min",
        "nb_gaps_1min",
        "event_time",
    }
)
"""Features that every row has."""
