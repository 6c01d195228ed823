"""The types of a declaration: windows, folds and features [pure].

A `Fold` is associative and commutative, and so is its SQL: a row must not depend on the order
of arrival, on batches or on the partitioning.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from txfeatures.domain.features import sketch
from txfeatures.domain.features.expression import Expression
from txfeatures.domain.model import FeatureValue

FeatureType = Literal["Integral", "Fractional", "String"]

INTEGRAL_MAX = 2**63 - 1
"""Largest value of an Integral feature (SageMaker Feature Store: signed 64 bits)."""

OVERFLOWED = INTEGRAL_MAX + 1
"""The value of every total that needs more than 64 bits, so that the order of sums can't show."""

States = Mapping[str, Any]
"""Key of a fold -> its state: an int, a `Sketch`, or None if nothing contributed."""

_LONGEST_KEY = 48

_FIRST_KEYS = {
    "count()": "total_nb_trx_1min",
    "sum(fee)": "total_fee_1min",
    "min(fee)": "min_fee_1min",
    "max(fee)": "max_fee_1min",
    "sum(vsize)": "total_vsize_1min",
    "sum(output_value)": "total_output_value_1min",
    "count() WHERE rbf": "nb_rbf",
    "sketch((fee * 1000) // vsize)": "fee_rates",
}
"""Keys that folds had before declarations were files, so that releases mix in a rolling upgrade."""


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A sliding window: the row's minute and those before it.

    Attributes:
        minutes: Its length, from 1.
    """

    minutes: int

    def __str__(self) -> str:
        """Return it as declarations write it, for example 30m or 24h."""
        return f"{self.minutes // 60}h" if self.minutes % 60 == 0 else f"{self.minutes}m"

    @property
    def suffix(self) -> str:
        """The end of the names of its columns, for example 30min or 24h."""
        return str(self) if self.minutes % 60 == 0 else f"{self.minutes}min"


MINUTE = Window(1)


class Fold:
    """An aggregate of the contributions of transactions, which are whole numbers.

    Equal folds have equal keys, and a changed one has another key: states that were folded by
    another declaration are thus never mixed with those of this one.

    Args:
        kind: The aggregate. A contribution to ``sum`` and ``sketch`` is never negative.
        of: Contribution of a transaction, NULL for none; None for ``count``.
        where: Condition for a transaction to contribute; None for all.
    """

    def __init__(
        self,
        kind: Literal["count", "sum", "min", "max", "sketch"],
        of: Expression | None = None,
        where: Expression | None = None,
    ) -> None:
        self.kind = kind
        self.of = of
        self.where = where

    def __str__(self) -> str:
        """Return the canonical text."""
        condition = "" if self.where is None else f" WHERE {self.where}"
        return f"{self.kind}({'' if self.of is None else self.of}){condition}"

    @cached_property
    def key(self) -> str:
        """Name of its state: the text, or a digest of it if it is long."""
        text = str(self)
        if text in _FIRST_KEYS:
            return _FIRST_KEYS[text]
        return text if len(text) <= _LONGEST_KEY else f"{self.kind} {digest(text)}"

    @property
    def zero(self) -> Any:
        """State before any contribution."""
        if self.kind == "sketch":
            return sketch.EMPTY
        return None if self.kind in {"min", "max"} else 0

    def merge(self, left: Any, right: Any) -> Any:
        """Return the state of the contributions of both."""
        match self.kind:
            case "sketch":
                return sketch.merge(left, right)
            case "min" | "max" if left is None or right is None:
                return right if left is None else left
            case "min":
                return min(left, right)
            case "max":
                return max(left, right)
            case _:
                return min(left + right, OVERFLOWED)


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
class ComputedFeature(Feature):
    """A feature computed from transactions.

    Attributes:
        base: Name in the declaration, with the percent of a quantile.
        window: Its window.
        otherwise: Value of a row for which there is none; None for null.
        meaning: Canonical text of the computation; a feature that means something else has
            another one.
    """

    base: str
    window: Window
    otherwise: int | float | None
    meaning: str

    @property
    def fingerprint(self) -> str:
        """Short digest of the meaning."""
        return digest(self.meaning)


Result = Literal["state", "ratio", "quantile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedFeature(ComputedFeature):
    """A feature folded over transactions.

    Attributes:
        folds: Its folds; a ratio has two, dividend and divisor.
        result: How it is computed from their states.
        steps: Whole steps per unit that a contribution counts; the result is divided by it.
        percent: Percent of the contributions that a quantile is not below.
    """

    folds: tuple[Fold, ...]
    result: Result
    steps: int = 1
    percent: int = 0

    def value(self, states: States) -> FeatureValue | None:
        """Return the value, None if nothing contributed."""
        state = states[self.folds[0].key]
        if self.result == "ratio":
            divisor = states[self.folds[1].key]
            # SQL divides doubles; the difference only shows above 2^53.
            return float(state) / float(divisor * self.steps) if divisor else None
        if self.result == "quantile":
            return sketch.quantile(state, self.percent) / self.steps if state else None
        if state is None or self.steps == 1:
            return state  # type: ignore[no-any-return]
        return float(state) / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedFeature(ComputedFeature):
    """A feature computed from other features of the same row, in doubles.

    Attributes:
        expression: The computation; names are those of features without their window.
        inputs: Name in the expression -> feature.
    """

    expression: Expression
    inputs: Mapping[str, ComputedFeature]


def digest(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()
