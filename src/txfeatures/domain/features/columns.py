"""The columns of a transaction that expressions may name [pure].

Each is declared once: its type and bounds, how the stream reads it from a `Transaction`, and its
SQL over the typed columns of the archive. The two agree on every input (tests/properties).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from txfeatures.domain.model import MAX_MONEY_SAT, MAX_WEIGHT

Type = Literal["whole number", "number", "truth value"]
"""Whole numbers are exact; numbers are IEEE doubles and occur in derived features only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a transaction.

    Attributes:
        name: Name in expressions.
        type: Type of its values.
        low: Least value of a whole number.
        high: Greatest value of a whole number.
        nullable: NULL if the source has no valid value.
        python: Expression over the `Transaction` ``t``.
        sql: Expression over the columns of the archive.
        description: One sentence.
    """

    name: str
    type: Type
    low: int = 0
    high: int = 0
    nullable: bool
    python: str
    sql: str
    description: str


def _weight_like(name: str) -> str:
    return f"CASE WHEN {name} BETWEEN 1 AND {MAX_WEIGHT} THEN {name} END"


def _count_like(name: str) -> str:
    return f"CASE WHEN {name} BETWEEN 0 AND {MAX_WEIGHT} THEN {name} END"


COLUMNS: Mapping[str, Column] = {
    column.name: column
    for column in (
        Column(
            name="time",
            type="whole number",
            high=2**63 - 1,
            nullable=False,
            python="t.time",
            sql="time",
            description="Epoch seconds at which the source first saw it.",
        ),
        Column(
            name="fee",
            type="whole number",
            high=MAX_MONEY_SAT,
            nullable=False,
            python="t.fee",
            sql="fee",
            description="Satoshi.",
        ),
        Column(
            name="size",
            type="whole number",
            low=1,
            high=MAX_WEIGHT,
            nullable=True,
            python="t.size",
            sql=_weight_like("size"),
            description="Bytes.",
        ),
        Column(
            name="weight",
            type="whole number",
            low=1,
            high=MAX_WEIGHT,
            nullable=True,
            python="t.weight",
            sql=_weight_like("weight"),
            description="Weight units.",
        ),
        Column(
            name="vsize",
            type="whole number",
            low=1,
            high=MAX_WEIGHT,
            nullable=True,
            python="t.size if t.weight is None else (t.weight + 3) // 4",
            sql=f"CASE WHEN weight BETWEEN 1 AND {MAX_WEIGHT} THEN (weight + 3) // 4 "
            f"WHEN size BETWEEN 1 AND {MAX_WEIGHT} THEN size END",
            description="Virtual bytes: a quarter of the weight, rounded up; the size if the "
            "weight is NULL.",
        ),
        Column(
            name="rbf",
            type="truth value",
            nullable=True,
            python="t.rbf",
            sql="rbf",
            description="True if it signals replace-by-fee.",
        ),
        Column(
            name="vin_sz",
            type="whole number",
            high=MAX_WEIGHT,
            nullable=True,
            python="t.vin_sz",
            sql=_count_like("vin_sz"),
            description="Number of inputs.",
        ),
        Column(
            name="vout_sz",
            type="whole number",
            high=MAX_WEIGHT,
            nullable=True,
            python="t.vout_sz",
            sql=_count_like("vout_sz"),
            description="Number of outputs.",
        ),
        Column(
            name="output_value",
            type="whole number",
            high=MAX_MONEY_SAT,
            nullable=True,
            python="t.output_value",
            sql="output_value",
            description="Satoshi of all outputs, change included.",
        ),
    )
}
"""Name -> column."""
