"""The computation of the stream: transactions -> partial -> row [pure]."""

from collections.abc import Iterable, Sequence

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features.declared import DERIVED, FEATURES, FOLDED, FOLDS
from txfeatures.domain.features.kinds import INTEGRAL_MAX, States
from txfeatures.domain.features.minutes import EVENT_TIME, RECORD_IDENTIFIER, minute_name
from txfeatures.domain.model import FeatureValue, Partial, Row, Transaction


class FeatureOverflowError(InvalidMessageError):
    """A total that needs more than 64 bits; the row is not published."""

    def __init__(self, name: str, minute: str) -> None:
        super().__init__("feature_overflow", f"{name} of {minute} needs more than 64 bits")


def fold(partial: Partial, transactions: Sequence[Transaction], *, late: int = 0) -> Partial:
    """Return ``partial`` with ``transactions`` added, ``late`` of which arrived late.

    The result does not depend on how the transactions are split into calls.
    """
    before = _states(partial)
    states = {name: fold.add(before[name], transactions) for name, fold in FOLDS.items()}
    return _partial(states, partial.late + late)


def merge(partials: Iterable[Partial]) -> Partial:
    """Return the fold of all transactions of all ``partials``; ``EMPTY`` for none."""
    states = {name: fold.aggregate.zero for name, fold in FOLDS.items()}
    late = 0
    for partial in partials:
        late += partial.late
        for name, state in _states(partial).items():
            states[name] = FOLDS[name].aggregate.merge(states[name], state)
    return _partial(states, late)


def row(
    partial: Partial, *, minute_s: int, event_time_ms: int, revision: int, is_final: bool, gaps: int
) -> Row:
    """Return one revision of a minute as feature name -> value, in declared order.

    Raises:
        FeatureOverflowError: A total needs more than 64 bits.
    """
    states = _states(partial)
    for name, state in partial.states.items():
        if state > INTEGRAL_MAX:
            raise FeatureOverflowError(name, minute_name(minute_s))
    values: dict[str, FeatureValue] = {
        RECORD_IDENTIFIER: minute_name(minute_s),
        **{feature.name: states[feature.name] or 0 for feature in FOLDED},
        **{feature.name: feature.derive(states) for feature in DERIVED},
        "revision": revision,
        "is_final": int(is_final),
        "nb_late_trx_1min": partial.late,
        "nb_gaps_1min": gaps,
        EVENT_TIME: event_time_ms / 1000,
    }
    return {feature.name: values[feature.name] for feature in FEATURES}


def _states(partial: Partial) -> States:
    """Return the state of every fold, or its zero if the partial is older than the fold."""
    known = {**partial.states, **partial.sketches}
    return {name: known.get(name, fold.aggregate.zero) for name, fold in FOLDS.items()}


def _partial(states: States, late: int) -> Partial:
    return Partial(
        states={name: state for name, state in states.items() if isinstance(state, int)},
        sketches={n: state for n, state in states.items() if isinstance(state, dict) and state},
        late=late,
    )


EMPTY = merge(())
