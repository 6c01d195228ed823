"""The types of a declaration: kinds of features, folds and aggregates [pure].

An `Aggregate` must be associative and commutative, and so must its SQL: a row must not
depend on the order of arrival, on batches or on the partitioning.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from txfeatures.domain.features import sketch
from txfeatures.domain.model import FeatureValue, Transaction

FeatureType = Literal["Integral", "Fractional", "String"]

INTEGRAL_MAX = 2**63 - 1
"""Largest value of an Integral feature (SageMaker Feature Store: signed 64 bits)."""

OVERFLOWED = INTEGRAL_MAX + 1
"""The value of every total that needs more than 64 bits, so that the order of sums can't show."""

States = Mapping[str, Any]
"""Name of a fold -> its state: an int, a `Sketch`, or None if nothing contributed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """An aggregate of contributions, which are whole numbers from 0 on.

    Attributes:
        name: Name in the documentation.
        zero: State before any contribution.
        add: ``(state, contributions) -> state``.
        merge: ``(state, state) -> state``, associative and commutative.
        sql: ``SQL of a contribution -> SQL aggregate``; NULL contributes nothing.
    """

    name: str
    zero: Any
    add: Callable[[Any, Sequence[int]], Any]
    merge: Callable[[Any, Any], Any]
    sql: Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """An aggregate over the transactions of a minute.

    Attributes:
        aggregate: The aggregate of the contributions.
        of: Contribution of a transaction; None, like NULL in SQL, contributes nothing.
        of_sql: The same contribution over the columns of the archive.
    """

    aggregate: Aggregate
    of: Callable[[Transaction], int | None]
    of_sql: str

    def add(self, state: Any, transactions: Iterable[Transaction]) -> Any:
        """Return ``state`` with ``transactions`` folded in."""
        contributions = [n for n in map(self.of, transactions) if n is not None]
        return self.aggregate.add(state, contributions)

    @property
    def sql(self) -> str:
        """The fold as one SQL aggregate over the columns of the archive."""
        return self.aggregate.sql(self.of_sql)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A column of the feature group.

    Attributes:
        name: Feature name, as models and queries use it.
        type: SageMaker feature type.
        unit: Unit of the value, empty if it has none.
        description: One sentence.
        error: Largest distance from the true value; empty if the value is exact.
    """

    name: str
    type: FeatureType
    unit: str
    description: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedFeature(Feature):
    """A feature folded over the transactions of a minute; 0 if nothing contributed."""

    fold: Fold

    @property
    def sql(self) -> str:
        """The feature as one SQL aggregate over the columns of the archive."""
        return self.fold.sql


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedFeature(Feature):
    """A feature computed from the folds of the same row.

    Attributes:
        derive: Function of the states of all folds.
        sql: The same over columns named after the folds, for a minute with transactions.
    """

    derive: Callable[[States], FeatureValue]
    sql: str


def _add(left: int, right: int) -> int:
    return min(left + right, OVERFLOWED)


def _least(left: int | None, right: int | None) -> int | None:
    return min((n for n in (left, right) if n is not None), default=None)


def _greatest(left: int | None, right: int | None) -> int | None:
    return max((n for n in (left, right) if n is not None), default=None)


SUM = Aggregate(
    name="sum",
    zero=0,
    add=lambda state, numbers: _add(state, sum(numbers)),
    merge=_add,
    sql=lambda number: f"TRY_CAST(coalesce(sum({number}), 0) AS BIGINT)",
)
LEAST = Aggregate(
    name="least",
    zero=None,
    add=lambda state, numbers: _least(state, min(numbers, default=None)),
    merge=_least,
    sql=lambda number: f"coalesce(min({number}), 0)",
)
GREATEST = Aggregate(
    name="greatest",
    zero=None,
    add=lambda state, numbers: _greatest(state, max(numbers, default=None)),
    merge=_greatest,
    sql=lambda number: f"coalesce(max({number}), 0)",
)
SKETCH = Aggregate(
    name="sketch", zero=sketch.EMPTY, add=sketch.add, merge=sketch.merge, sql=sketch.buckets_sql
)
