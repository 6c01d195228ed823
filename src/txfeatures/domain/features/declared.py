"""The features, each declared once [pure].

A contribution is declared in Python and in SQL; ``VSIZE_SQL`` and ``FEE_RATE_SQL`` mirror the
properties of `Transaction`.
"""

from collections.abc import Mapping

from txfeatures.domain.features import sketch
from txfeatures.domain.features.kinds import (
    GREATEST,
    LEAST,
    SKETCH,
    SUM,
    DerivedFeature,
    Feature,
    Fold,
    FoldedFeature,
    States,
)
from txfeatures.domain.features.minutes import EVENT_TIME, RECORD_IDENTIFIER
from txfeatures.domain.model import MAX_WEIGHT, MILLI

VSIZE_SQL = (
    f"CASE WHEN weight BETWEEN 1 AND {MAX_WEIGHT} THEN (weight + 3) // 4 "
    f"WHEN size BETWEEN 1 AND {MAX_WEIGHT} THEN size END"
)
FEE_RATE_SQL = f"fee * {MILLI} // ({VSIZE_SQL})"

HIDDEN: Mapping[str, Fold] = {
    "nb_rbf": Fold(aggregate=SUM, of=lambda t: t.rbf, of_sql="rbf::INTEGER"),
    "fee_rates": Fold(aggregate=SKETCH, of=lambda t: t.fee_rate_msat, of_sql=FEE_RATE_SQL),
}
"""Folds that only derived features use; they are no columns of their own."""


def _fee_rate(percent: int) -> DerivedFeature:
    def derive(states: States) -> float:
        return sketch.quantile(states["fee_rates"], percent) / MILLI

    return DerivedFeature(
        name=f"fee_rate_p{percent}_1min",
        type="Fractional",
        unit="satoshi/vbyte",
        description=f"Fee rate that {percent} % of the transactions do not exceed, 0 for an empty "
        "minute.",
        error="1 %, or 0.001 if that is more",
        derive=derive,
        sql=f"({sketch.quantile_sql('fee_rates', percent)}) / {MILLI}",
    )


def _average_fee(states: States) -> float:
    count = states["total_nb_trx_1min"]
    # SQL divides doubles; the difference only shows above 2^53.
    return float(states["total_fee_1min"]) / count if count else 0.0


def _rbf_share(states: States) -> float:
    count = states["total_nb_trx_1min"]
    return states["nb_rbf"] / count if count else 0.0


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
        fold=Fold(aggregate=SUM, of=lambda _: 1, of_sql="1"),
    ),
    FoldedFeature(
        name="total_fee_1min",
        type="Integral",
        unit="satoshi",
        description="Sum of their fees, exact.",
        fold=Fold(aggregate=SUM, of=lambda t: t.fee, of_sql="fee"),
    ),
    DerivedFeature(
        name="avg_fee_1min",
        type="Fractional",
        unit="satoshi",
        description="total_fee_1min / total_nb_trx_1min, 0 for an empty minute.",
        derive=_average_fee,
        sql="total_fee_1min / total_nb_trx_1min",
    ),
    FoldedFeature(
        name="min_fee_1min",
        type="Integral",
        unit="satoshi",
        description="Smallest of their fees, 0 for an empty minute.",
        fold=Fold(aggregate=LEAST, of=lambda t: t.fee, of_sql="fee"),
    ),
    FoldedFeature(
        name="max_fee_1min",
        type="Integral",
        unit="satoshi",
        description="Largest of their fees, 0 for an empty minute.",
        fold=Fold(aggregate=GREATEST, of=lambda t: t.fee, of_sql="fee"),
    ),
    _fee_rate(10),
    _fee_rate(50),
    _fee_rate(90),
    FoldedFeature(
        name="total_vsize_1min",
        type="Integral",
        unit="vbytes",
        description="Sum of their virtual sizes, a quarter of the weight rounded up.",
        fold=Fold(aggregate=SUM, of=lambda t: t.vsize, of_sql=VSIZE_SQL),
    ),
    FoldedFeature(
        name="total_output_value_1min",
        type="Integral",
        unit="satoshi",
        description="Sum of the values of their outputs, change included.",
        fold=Fold(aggregate=SUM, of=lambda t: t.output_value, of_sql="output_value"),
    ),
    DerivedFeature(
        name="rbf_share_1min",
        type="Fractional",
        unit="",
        description="Share of the transactions, 0 to 1, that signal replace-by-fee; 0 for an empty "
        "minute.",
        derive=_rbf_share,
        sql="nb_rbf / total_nb_trx_1min",
    ),
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

FOLDED: tuple[FoldedFeature, ...] = tuple(f for f in FEATURES if isinstance(f, FoldedFeature))
DERIVED: tuple[DerivedFeature, ...] = tuple(f for f in FEATURES if isinstance(f, DerivedFeature))

FOLDS: Mapping[str, Fold] = {**{feature.name: feature.fold for feature in FOLDED}, **HIDDEN}

REQUIRED = frozenset(
    {
        RECORD_IDENTIFIER,
        "total_nb_trx_1min",
        "total_fee_1min",
        "avg_fee_1min",
        "revision",
        "is_final",
        "nb_late_trx_1min",
        "nb_gaps_1min",
        EVENT_TIME,
    }
)
"""Features that every release has written; rows of older releases may lack the others."""
