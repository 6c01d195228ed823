"""The computation over the archive in DuckDB SQL, equal to the stream's to the last bit [pure].

Expressions read the typed columns of the archive; NULL contributes nothing. ``hash`` is NULL
unless it is valid.
"""

from collections.abc import Iterable, Mapping, Sequence

from txfeatures.domain.features import sketch
from txfeatures.domain.features.columns import COLUMNS
from txfeatures.domain.features.expression import Expression
from txfeatures.domain.features.kinds import (
    ComputedFeature,
    DerivedFeature,
    Fold,
    FoldedFeature,
)
from txfeatures.domain.features.sql_code import sql
from txfeatures.domain.model import MAX_MONEY_SAT

READABLE_SQL = (
    "(hash IS NOT NULL AND coalesce(time >= 0, false) "
    f"AND coalesce(fee BETWEEN 0 AND {MAX_MONEY_SAT}, false))"
)
"""True for a transaction of the archive that the stream can read, else false; never NULL."""

_COLUMNS = {name: column.sql for name, column in COLUMNS.items()}


def minute_sql(
    computed: Sequence[ComputedFeature],
    in_order: Sequence[ComputedFeature],
    source: str,
    *,
    minute: str,
    also: Mapping[str, str],
) -> str:
    """Return a SELECT of one row per minute that has transactions, in no order.

    Its columns are ``minute_s`` (epoch seconds of the minute's start), the computed features in
    the order of the columns, ``is_exact`` (false if a total needs more than 64 bits; the features
    are then worthless) and those of ``also``.

    Args:
        computed: The features, in the order of the columns.
        in_order: The same, each after those that it is derived from.
        source: A table, or a query in parentheses, of the transactions to count: each once
            and all readable (``READABLE_SQL``).
        minute: SQL of the start of a transaction's minute.
        also: Further columns: name -> aggregate over the columns of ``source``.
    """
    folds = _Folds(f for f in computed if isinstance(f, FoldedFeature))
    given = ", ".join(["*", *(f"{text} AS {name}" for text, name in folds.contributions.items())])
    inner = ", ".join(f"{text} AS {name}" for name, text in {**folds.aggregates, **also}.items())
    # A column may use those before it, as DuckDB's aliases do.
    columns = ", ".join(f"{_feature(feature, folds)} AS {feature.name}" for feature in in_order)
    names = ", ".join(["minute_s", *(f.name for f in computed), "is_exact", *also])
    return (  # names and texts are generated, no part of it comes from outside the program
        f"SELECT {names} "  # noqa: S608
        f"FROM (SELECT *, {folds.exact} AS is_exact, {columns} "
        f"FROM (SELECT {minute} AS minute_s, {inner} "
        f"FROM (SELECT {given} FROM {source}) GROUP BY 1))"
    )


class _Folds:
    """The aggregates behind features: each fold once, with a name of its own.

    Attributes:
        contributions: SQL -> name of each contribution and condition.
    """

    def __init__(self, features: Iterable[FoldedFeature]) -> None:
        self._folds: dict[str, Fold] = {}
        self._percents: dict[str, set[int]] = {}
        for feature in features:
            for fold in feature.folds:
                self._folds.setdefault(fold.key, fold)
            if feature.result == "quantile":
                self._percents.setdefault(feature.folds[0].key, set()).add(feature.percent)
        self._names = {key: f"fold_{number}" for number, key in enumerate(self._folds)}
        parts = [part for fold in self._folds.values() for part in (fold.of, fold.where) if part]
        texts = dict.fromkeys(_part(part) for part in parts)
        self.contributions = {text: f"part_{number}" for number, text in enumerate(texts)}

    @property
    def aggregates(self) -> dict[str, str]:
        """Name -> aggregate."""
        return {self._names[key]: self._aggregate(fold) for key, fold in self._folds.items()}

    @property
    def exact(self) -> str:
        """Condition that no total needs more than 64 bits."""
        sums = [self._names[key] for key, fold in self._folds.items() if fold.kind == "sum"]
        return f"({' AND '.join(['true', *(f'{name} IS NOT NULL' for name in sums)])})"

    def name(self, fold: Fold) -> str:
        """Return the name of an aggregate."""
        return self._names[fold.key]

    def place(self, fold: Fold, percent: int) -> int:
        """Return the place of a quantile in the list that the aggregate of a sketch is."""
        return sorted(self._percents[fold.key]).index(percent) + 1

    def _aggregate(self, fold: Fold) -> str:
        where = f" FILTER (WHERE {self.contributions[_part(fold.where)]})" if fold.where else ""
        if fold.of is None:
            return f"count(*){where}"
        number = self.contributions[_part(fold.of)]
        match fold.kind:
            case "sum":
                return f"TRY_CAST(coalesce(sum({number}){where}, 0) AS BIGINT)"
            case "sketch":
                return f"{sketch.buckets_sql(number, sorted(self._percents[fold.key]))}{where}"
            case kind:
                return f"{kind}({number}){where}"


def _part(part: Expression) -> str:
    """Return the SQL of a contribution or a condition."""
    kind = "BOOLEAN" if part.type == "truth value" else "BIGINT"
    return f"CAST({sql(part, _COLUMNS)} AS {kind})"


def _feature(feature: ComputedFeature, folds: _Folds) -> str:
    """Return the SQL of a feature over the folds, and over the features before it."""
    otherwise = _value(feature)
    if isinstance(feature, DerivedFeature):
        inputs = {name: f"CAST({f.name} AS DOUBLE)" for name, f in feature.inputs.items()}
        return _or_else(sql(feature.expression, inputs), otherwise)
    if not isinstance(feature, FoldedFeature):
        raise TypeError(f"{feature.name} is neither folded nor derived")
    state = folds.name(feature.folds[0])
    match feature.result:
        case "ratio":
            divisor = f"nullif({folds.name(feature.folds[1])} * {feature.steps}, 0)"
            return _or_else(f"(CAST({state} AS DOUBLE) / {divisor})", otherwise)
        case "quantile":
            bucket = f"{state}[{folds.place(feature.folds[0], feature.percent)}]::BIGINT"
            return _or_else(f"(({sketch.middle_sql(bucket)}) / {feature.steps})", otherwise)
        case _:
            scaled = state if feature.steps == 1 else f"(CAST({state} AS DOUBLE) / {feature.steps})"
            return _or_else(scaled, otherwise)


def _or_else(text: str, otherwise: str) -> str:
    return text if otherwise == "NULL" else f"coalesce({text}, {otherwise})"


def _value(feature: ComputedFeature) -> str:
    if feature.otherwise is None:
        return "NULL"
    kind = "BIGINT" if feature.type == "Integral" else "DOUBLE"
    return f"CAST('{feature.otherwise!r}' AS {kind})"
