"""A histogram for quantiles: whole numbers, counted by their seven leading bits [pure].

Where a number is counted depends on the number alone, and merging adds counts: neither
order nor partitioning can show. The bucket is found with whole numbers only, so that
Python and SQL agree on every one of them (docs/adr/0014-sketch.md).

A bucket that starts at ``n`` is at most ``n / 64`` wide and stands for its middle: a
quantile is within 1/128 of the true one, and within a half where numbers are below 64.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

Sketch = Mapping[int, int]
"""Bucket -> how many numbers were counted in it; at most 2,048 buckets."""

EMPTY: Sketch = {}

LARGEST = 2**37 - 1
"""Larger numbers count as this one, which bounds the number of buckets."""

RELATIVE_ERROR = 1 / 128

PERCENTS = (10, 50, 90)
"""The quantiles that SQL computes."""


def add(sketch: Sketch, numbers: Iterable[int]) -> Sketch:
    """Return ``sketch`` with ``numbers``, from 0 on, counted as well."""
    counts = Counter(sketch)
    counts.update(map(bucket, numbers))
    return dict(counts)


def merge(left: Sketch, right: Sketch) -> Sketch:
    """Return the sketch of the numbers of both."""
    counts = Counter(left)
    counts.update(right)
    return dict(counts)


def quantile(sketch: Sketch, percent: int) -> float:
    """Return the nearest-rank quantile: what at least ``percent`` % do not exceed; 0 of none."""
    rank = -(-percent * sum(sketch.values()) // 100)
    for index in sorted(sketch):
        rank -= sketch[index]
        if rank <= 0:
            return middle(index)
    return 0.0


def bucket(number: int) -> int:
    """Return where ``number`` is counted: leading bits, and how many follow them.

    >>> bucket(100), bucket(127), bucket(128), bucket(130)
    (100, 127, 128, 129)
    """
    if number > LARGEST:
        number = LARGEST
    shift = number.bit_length() - 7
    return (shift << 6) + (number >> shift) if shift > 0 else number


def middle(index: int) -> float:
    """Return the number that a bucket stands for; 0 for the one of zero."""
    shift = max((index >> 6) - 1, 0)
    return ((2 * (index - (shift << 6)) + 1) << shift) / 2 if index else 0.0


def bucket_sql(number: str) -> str:
    """Return ``bucket`` of an SQL expression, as SQL."""
    # No least(): it passes over NULL, which must stay NULL.
    number = (
        f"CASE WHEN {number} < {LARGEST} THEN {number} "
        f"WHEN {number} >= {LARGEST} THEN {LARGEST} END"
    )
    # Half a unit above a whole number is never near a power of two, where rounding could tell.
    shift = f"greatest(floor(log2({number} + 0.5))::BIGINT - 6, 0)"
    return f"({shift} * 64 + ({number} >> {shift}))::SMALLINT"


def buckets_sql(number: str) -> str:
    """Return an SQL aggregate: the buckets of the quantiles ``PERCENTS``, as a list.

    As buckets keep the order of the numbers, these are the buckets of the exact quantiles.
    """
    fractions = ", ".join(f"{percent / 100:.2f}" for percent in PERCENTS)
    return f"quantile_disc({bucket_sql(number)}, [{fractions}])"


def quantile_sql(buckets: str, percent: int) -> str:
    """Return ``quantile`` as SQL over what ``buckets_sql`` has computed."""
    index = f"{buckets}[{PERCENTS.index(percent) + 1}]::BIGINT"
    shift = f"greatest(({index} >> 6) - 1, 0)"
    number = f"((2 * ({index} - {shift} * 64) + 1) << {shift}) / 2"
    return f"CASE WHEN {index} > 0 THEN {number} ELSE 0 END"
