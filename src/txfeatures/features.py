"""The declared list of features: name, type, unit, and how it is folded.

To add a feature, add one declaration to ``FEATURES``. A folded feature says what a
transaction does to its state and how the states of two partitions merge; merging
must be associative and commutative, since neither the order of arrival nor the
partitioning may change a row. A derived feature is a function of folded ones.
The remaining ones describe the row itself and are filled in by ``row``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from txfeatures.errors import InvalidMessageError
from txfeatures.model import FeatureValue, Partial, Row, Transaction

FeatureType = Literal["Integral", "Fractional", "String"]

INTEGRAL_MAX = 2**63 - 1
"""Largest value of an Integral feature (SageMaker Feature Store: signed 64 bits)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """A column of the feature group.

    Attributes:
        name: Feature name, as models and queries use it.
        type: SageMaker feature type.
        unit: Unit of the value, empty where it has none.
        description: One sentence.
    """

    name: str
    type: FeatureType
    unit: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedFeature(Feature):
    """A feature folded over the transactions of a minute.

    Attributes:
        zero: State of a minute without transactions.
        fold: ``(state, transaction) -> state``.
        merge: ``(state, state) -> state``, associative and commutative.
    """

    zero: int
    fold: Callable[[int, Transaction], int]
    merge: Callable[[int, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedFeature(Feature):
    """A feature computed from the folded ones of the same row."""

    derive: Callable[[Mapping[str, int]], FeatureValue]


def _add(left: int, right: int) -> int:
    return left + right


def _average_fee(states: Mapping[str, int]) -> float:
    count = states["total_nb_trx_1min"]
    return states["total_fee_1min"] / count if count else 0.0


RECORD_IDENTIFIER = "tx_minute"
EVENT_TIME = "event_time"

FEATURES: tuple[Feature, ...] = (
    Feature(
        name=RECORD_IDENTIFIER,
        type="String",
        unit="UTC",
        description="The minute, YYYY-MM-DD HH:MM:SS; the record identifier.",
    ),
    FoldedFeature(
        name="total_nb_trx_1min",
        type="Integral",
        unit="transactions",
        description="Transactions whose time lies in the minute.",
        zero=0,
        fold=lambda state, _: state + 1,
        merge=_add,
    ),
    FoldedFeature(
        name="total_fee_1min",
        type="Integral",
        unit="satoshi",
        description="Sum of their fees, exact.",
        zero=0,
        fold=lambda state, transaction: state + transaction.fee,
        merge=_add,
    ),
    DerivedFeature(
        name="avg_fee_1min",
        type="Fractional",
        unit="satoshi",
        description="total_fee_1min / total_nb_trx_1min, 0 for an empty minute.",
        derive=_average_fee,
    ),
    Feature(
        name="revision",
        type="Integral",
        unit="",
        description="Number of this value of the minute, from 1.",
    ),
    Feature(
        name="is_final",
        type="Integral",
        unit="",
        description="1 when the watermark has passed the minute, 0 while it may still change.",
    ),
    Feature(
        name="nb_late_trx_1min",
        type="Integral",
        unit="transactions",
        description="Counted transactions that came after the watermark had passed the minute.",
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
        description="When this value became known; strictly greater with each revision.",
    ),
)

FOLDED: tuple[FoldedFeature, ...] = tuple(f for f in FEATURES if isinstance(f, FoldedFeature))
DERIVED: tuple[DerivedFeature, ...] = tuple(f for f in FEATURES if isinstance(f, DerivedFeature))

EMPTY = Partial(states={feature.name: feature.zero for feature in FOLDED})


class FeatureOverflowError(InvalidMessageError):
    """A total would need more than 64 bits; said aloud instead of written wrapped."""

    def __init__(self, name: str, value: int) -> None:
        super().__init__("feature_overflow", f"{name} = {value} needs more than 64 bits")


def fold(partial: Partial, transaction: Transaction, *, is_late: bool) -> Partial:
    """Return ``partial`` with one transaction added.

    Raises:
        FeatureOverflowError: A state would need more than 64 bits.
    """
    states = {
        feature.name: _exact(feature.name, feature.fold(partial.states[feature.name], transaction))
        for feature in FOLDED
    }
    return Partial(states=states, late=partial.late + is_late)


def merge(partials: Iterable[Partial]) -> Partial:
    """Return the fold of all transactions of all ``partials``; ``EMPTY`` for none.

    Raises:
        FeatureOverflowError: A state would need more than 64 bits.
    """
    states = dict(EMPTY.states)
    late = 0
    for partial in partials:
        late += partial.late
        for feature in FOLDED:
            merged = feature.merge(states[feature.name], partial.states[feature.name])
            states[feature.name] = _exact(feature.name, merged)
    return Partial(states=states, late=late)


def row(
    partial: Partial, *, minute_s: int, event_time_ms: int, revision: int, is_final: bool, gaps: int
) -> Row:
    """Return one revision of a minute as feature name -> value, in declared order."""
    values: dict[str, FeatureValue] = {
        RECORD_IDENTIFIER: minute_name(minute_s),
        **partial.states,
        **{feature.name: feature.derive(partial.states) for feature in DERIVED},
        "revision": revision,
        "is_final": int(is_final),
        "nb_late_trx_1min": partial.late,
        "nb_gaps_1min": gaps,
        EVENT_TIME: event_time_ms / 1000,
    }
    return {feature.name: values[feature.name] for feature in FEATURES}


def minute_name(minute_s: int) -> str:
    """Return the record identifier of the minute that starts at ``minute_s`` (UTC).

    >>> minute_name(1729334940)
    '2024-10-19 10:49:00'
    """
    return datetime.fromtimestamp(minute_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def minute_start_s(name: str) -> int:
    """Return the epoch seconds of a record identifier.

    Raises:
        InvalidMessageError: ``name`` is not a whole minute written YYYY-MM-DD HH:MM:SS.
    """
    try:
        moment = datetime.strptime(name, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidMessageError(
            "bad_minute", f"{name!r} is not YYYY-MM-DD HH:MM:SS (UTC)"
        ) from error
    if moment.second or moment.strftime("%Y-%m-%d %H:%M:%S") != name:
        raise InvalidMessageError("bad_minute", f"{name!r} is not the start of a minute")
    return int(moment.timestamp())


def _exact(name: str, value: int) -> int:
    if value > INTEGRAL_MAX:
        raise FeatureOverflowError(name, value)
    return value
