"""A declaration: the features of a row, and their computation from transactions [pure]."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import folding, sql
from txfeatures.domain.features.kinds import (
    INTEGRAL_MAX,
    ComputedFeature,
    DerivedFeature,
    Feature,
    Fold,
    FoldedFeature,
    digest,
)
from txfeatures.domain.features.minutes import EVENT_TIME, RECORD_IDENTIFIER, minute_name
from txfeatures.domain.features.quality import AFTER, BEFORE
from txfeatures.domain.model import MINUTE_S, FeatureValue, Partial, Row, Transaction

MINUTE_SQL = f"time // {MINUTE_S} * {MINUTE_S}"
"""Start of the minute that a transaction lies in, epoch seconds."""

EMPTY = Partial(states={})
"""The fold of no transaction."""


class FeatureOverflowError(InvalidMessageError):
    """A total that needs more than 64 bits; the row is not published."""

    def __init__(self, name: str, minute: str) -> None:
        super().__init__("feature_overflow", f"{name} of {minute} needs more than 64 bits")


@dataclass(frozen=True)
class Declaration:
    """The declared features.

    A state is kept only if it holds all transactions of its partial: a fold that was declared
    later, or that another declaration meant otherwise, is left out, and a feature that needs it
    is null, until the next minute begins.

    Args:
        computed: The features that are computed from transactions, in the order of the columns.
    """

    computed: Sequence[ComputedFeature]

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """All columns of the feature group, in order."""
        return (*BEFORE, *self.computed, *AFTER)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in their order."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def folds(self) -> Mapping[str, Fold]:
        """Key -> fold, in the order of first use."""
        folded = (f for f in self.computed if isinstance(f, FoldedFeature))
        return {fold.key: fold for feature in folded for fold in feature.folds}

    @cached_property
    def fingerprint(self) -> str:
        """Short digest of the names and meanings of all features."""
        return digest("\n".join(f"{f.name} {f.meaning}" for f in self.computed))

    def fold(
        self, partial: Partial, transactions: Sequence[Transaction], *, late: int = 0
    ) -> Partial:
        """Return ``partial`` with ``transactions`` added, ``late`` of which arrived late.

        The result does not depend on how the transactions are split into calls.
        """
        if not transactions:
            return partial
        found = dict(zip(self.folds, self._contribute(transactions), strict=True))
        return self._joined(partial, found, late)

    def merge(self, partials: Iterable[Partial]) -> Partial:
        """Return the fold of all transactions of all ``partials``; ``EMPTY`` for none."""
        merged = EMPTY
        for partial in partials:
            merged = self._joined(merged, {**partial.states, **partial.sketches}, partial.late)
        return merged

    def row(
        self,
        partial: Partial,
        *,
        minute_s: int,
        event_time_ms: int,
        revision: int,
        is_final: bool,
        gaps: int,
    ) -> Row:
        """Return one revision of a minute as feature name -> value, in the order of the columns.

        A feature that is null is left out.

        Raises:
            FeatureOverflowError: A total needs more than 64 bits.
        """
        values: dict[str, FeatureValue] = {
            RECORD_IDENTIFIER: minute_name(minute_s),
            **self._values(partial, minute_s),
            "revision": revision,
            "is_final": int(is_final),
            "nb_late_trx_1min": partial.late,
            "nb_gaps_1min": gaps,
            EVENT_TIME: event_time_ms / 1000,
        }
        return {f.name: values[f.name] for f in self.features if f.name in values}

    def minute_sql(
        self, source: str, *, minute: str = MINUTE_SQL, also: Mapping[str, str] | None = None
    ) -> str:
        """Return a SELECT of one row per minute that has transactions; see `sql.minute_sql`."""
        return sql.minute_sql(self.computed, self._in_order, source, minute=minute, also=also or {})

    @cached_property
    def _contribute(self) -> folding.Contribute:
        return folding.compiled(tuple(self.folds.values()))

    @cached_property
    def _in_order(self) -> tuple[ComputedFeature, ...]:
        """The computed features, each after those that it is derived from."""
        found: dict[str, ComputedFeature] = {}

        def add(feature: ComputedFeature) -> None:
            if feature.name not in found:
                if isinstance(feature, DerivedFeature):
                    for source in feature.inputs.values():
                        add(source)
                found[feature.name] = feature

        for feature in self.computed:
            add(feature)
        return tuple(found.values())

    @cached_property
    def _derivations(self) -> Mapping[str, Any]:
        derived = (f for f in self.computed if isinstance(f, DerivedFeature))
        return {feature.name: folding.derivation(feature) for feature in derived}

    def _joined(self, partial: Partial, found: Mapping[str, Any], late: int) -> Partial:
        """Return ``partial`` with the states ``found`` of further transactions."""
        if not found:
            return partial
        before = self._states(partial)
        states: dict[str, int | None] = {}
        sketches: dict[str, Mapping[int, int]] = {}
        for key, fold in self.folds.items():
            if key in before and key in found:
                kept = sketches if fold.kind == "sketch" else states
                kept[key] = fold.merge(before[key], found[key])
        return Partial(states=states, sketches=sketches, late=partial.late + late)

    def _states(self, partial: Partial) -> Mapping[str, Any]:
        if not partial.states:
            return {key: fold.zero for key, fold in self.folds.items()}
        return {**partial.states, **partial.sketches}

    def _values(self, partial: Partial, minute_s: int) -> dict[str, FeatureValue]:
        """Return the computed features, without those that are null."""
        states = self._states(partial)
        values: dict[str, Any] = {}
        for feature in self._in_order:
            if isinstance(feature, FoldedFeature):
                if any(fold.key not in states for fold in feature.folds):
                    continue  # not whole: some transactions came under another declaration
                if feature.result != "quantile" and _overflows(feature, states):
                    raise FeatureOverflowError(feature.name, minute_name(minute_s))
                value = feature.value(states)
            elif isinstance(feature, DerivedFeature):
                if any(source.name not in values for source in feature.inputs.values()):
                    continue
                value = self._derivations[feature.name](values)
            values[feature.name] = feature.otherwise if value is None else value
        return {name: value for name, value in values.items() if value is not None}


def _overflows(feature: FoldedFeature, states: Mapping[str, Any]) -> bool:
    return any((states[fold.key] or 0) > INTEGRAL_MAX for fold in feature.folds)
