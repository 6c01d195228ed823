"""A histogram for quantiles: whole numbers, counted by their seven leading bits [pure].

The bucket of a number depends on the number alone, and a merge adds counts, so neither
order nor partitioning can change a sketch. Buckets are computed in integers, so that
Python and SQL agree on every number (docs/adr/0014-sketch.md).

A bucket that starts at ``n`` is at most ``n / 64`` wide and represented by its middle: a
quantile is within 1/128 of the true one, and within a half for numbers below 64.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

Sketch = Mapping[int, int]
"""Bucket -> count of its numbers; at most 2,048 buckets."""

EMPTY: Sketch = {}

LARGEST = 2**37 - 1
"""Larger numbers count as this one, which bounds the number of buckets."""

RELATIVE_ERROR = 1 / 128


def merge(left: Sketch, right: Sketch) -> Sketch:
    """Return the sketch of the numbers of both."""
    counts = Counter(left)
    counts.update(right)
    return dict(counts)


def quantile(sketch: Sketch, percent: int) -> float:
    """Return the nearest-rank quantile, which ``percent`` % do not exceed; 0 if empty."""
    rank = -(-percent * sum(sketch.values()) // 100)
    for index in sorted(sketch):
        rank -= sketch[index]
        if rank <= 0:
            return middle(index)
    return 0.0


def bucket_source(number: str) -> str:
    """Return the Python source of the bucket of a name or literal, which is from 0 on.

    The bucket is its leading bits and the number of bits after them: 100 is in bucket 100, 127 in
    127, and 128 in the next one, with 129.
    """
    bounded = f"n := {number} if {number} <= {LARGEST} else {LARGEST}"
    return f"((k << 6) + (n >> k) if (k := ({bounded}).bit_length() - 7) > 0 else n)"


def middle(index: int) -> float:
    """Return the middle of a bucket, which represents it; 0 for the bucket of zero."""
    shift = max((index >> 6) - 1, 0)
    return ((2 * (index - (shift << 6)) + 1) << shift) / 2 if index else 0.0


def bucket_sql(number: str) -> str:
    """Return the SQL of the bucket of an SQL expression."""
    # Not least(), which ignores NULL: NULL must stay NULL.
    number = (
        f"CASE WHEN {number} < {LARGEST} THEN {number} "
        f"WHEN {number} >= {LARGEST} THEN {LARGEST} END"
    )
    # Half a unit above a whole number is never near a power of two, where rounding matters.
    shift = f"greatest(floor(log2({number} + 0.5))::BIGINT - 6, 0)"
    return f"({shift} * 64 + ({number} >> {shift}))::SMALLINT"


def buckets_sql(number: str, percents: Sequence[int]) -> str:
    """Return the SQL aggregate that lists the buckets of the quantiles ``percents``.

    Buckets keep the order of the numbers, so these are the buckets of the exact quantiles.
    """
    fractions = ", ".join(f"{percent / 100:.2f}" for percent in percents)
    return f"quantile_disc({bucket_sql(number)}, [{fractions}])"


def middle_sql(index: str) -> str:
    """Return the SQL of ``middle`` for the SQL of a BIGINT; NULL stays NULL."""
    shift = f"greatest(({index} >> 6) - 1, 0)"
    number = f"((2 * ({index} - {shift} * 64) + 1) << {shift}) / 2"
    return f"CASE WHEN {index} > 0 THEN {number} ELSE {index} END"
