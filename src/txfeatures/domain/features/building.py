"""Features made of drafts [pure]."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from txfeatures.domain.features.columns import COLUMNS
from txfeatures.domain.features.draft import STEPS, Draft
from txfeatures.domain.features.expression import (
    INT64_MAX,
    Expression,
    UnfitError,
    arithmetic,
    is_null,
    literal,
    logic,
    of_column,
    of_feature,
    require,
)
from txfeatures.domain.features.kinds import (
    ComputedFeature,
    DerivedFeature,
    Fold,
    FoldedFeature,
    Result,
    Window,
)
from txfeatures.domain.features.parsing import ExpressionError, parse

Aggregate = Literal["count", "sum", "min", "max", "mean", "share", "quantile"]
AGGREGATES: tuple[str, ...] = get_args(Aggregate)

FRACTION = 0.001
"""Resolution of a quotient, unless another is given."""

_WITHOUT_FROM = frozenset({"count", "share"})
_NEVER_NULL = frozenset({"count", "sum"})
_NATURAL = frozenset({"sum", "mean", "quantile"})
_COLUMNS = {name: of_column(column) for name, column in COLUMNS.items()}


def folded(draft: Draft, window: Window) -> list[FoldedFeature]:
    """Return the features of a draft with an aggregate; none if it has a mistake."""
    aggregate = draft.texts["aggregate"]
    if aggregate not in AGGREGATES:
        draft.fail("aggregate", f"{aggregate!r} is no aggregate; there are {', '.join(AGGREGATES)}")
        return []
    if aggregate != "quantile":
        draft.refuse(f"the aggregate {aggregate}", "quantiles")
    if aggregate in _NEVER_NULL and "else" in draft.nodes:
        draft.fail("else", f"a {aggregate} of nothing is 0; leave out `else`")
    where = _condition(draft)
    of, steps = _contribution(draft, aggregate)
    percents = draft.percents() if aggregate == "quantile" else (0,)
    otherwise = draft.otherwise()
    if draft.failed:
        return []
    folds, result = _folds(aggregate, of, where)
    return [
        _feature(draft, window, folds, result, steps=steps, percent=percent, otherwise=otherwise)
        for percent in percents
    ]


def _condition(draft: Draft) -> Expression | None:
    where = draft.expression("where", _COLUMNS, what="column")
    if where is not None:
        try:
            require(where, "truth value", "`where`")
        except UnfitError as error:
            draft.fail("where", str(error))
    elif draft.texts.get("aggregate") == "share" and "where" not in draft.nodes:
        draft.fail("where", "the aggregate share needs a `where`")
    return where


def _contribution(draft: Draft, aggregate: str) -> tuple[Expression | None, int]:
    """Return a transaction's contribution in whole steps, and the steps per unit."""
    if aggregate in _WITHOUT_FROM:
        draft.refuse(f"the aggregate {aggregate}", "from", "resolution")
        return None, 1
    if "from" not in draft.texts:
        draft.fail("from", f"the aggregate {aggregate} needs a `from`")
        return None, 1
    try:
        of, steps = _in_steps(draft.texts["from"], draft.steps())
    except ExpressionError as error:
        draft.fail("from", error.sentence, offset=error.offset)
        return None, 1
    if of.type != "whole number":
        draft.fail("from", f"{aggregate} takes whole numbers, and this is a {of.type}")
    elif of.low < 0 and aggregate in _NATURAL:
        draft.fail(
            "from", f"it may be negative, which {aggregate} does not take; write greatest(..., 0)"
        )
    elif max(-of.low, of.high) > INT64_MAX:
        draft.fail("from", f"it may need more than 64 bits: up to {of.high:.1e}")
    return of, steps


def _in_steps(text: str, steps: int | None) -> tuple[Expression, int]:
    """Return the expression in whole steps, and the steps per unit.

    A quotient of whole numbers stays exact: its dividend is multiplied before it is divided.
    """
    found = parse(text, _COLUMNS, what="column", is_quotient_fine=True)
    steps = steps or (STEPS[FRACTION] if found.op == "/" else 1)
    whole, *divisor = found.args if found.op == "/" else (found,)
    if divisor and min(whole.low, divisor[0].low) < 0:
        raise ExpressionError(0, "a quotient is of numbers that are never negative")
    try:
        if steps != 1:
            whole = arithmetic("*", whole, literal(steps))
        if divisor:
            whole = arithmetic("//", whole, *divisor)
    except UnfitError as error:
        raise ExpressionError(0, str(error)) from error
    return whole, steps


def _folds(
    aggregate: str, of: Expression | None, where: Expression | None
) -> tuple[tuple[Fold, ...], Result]:
    match aggregate:
        case "count":
            return (Fold("count", where=where),), "state"
        case "share":
            return (Fold("count", where=where), Fold("count")), "ratio"
        case "quantile":
            return (Fold("sketch", of, where),), "quantile"
        case "mean" if of is not None:
            known = logic("not", is_null(of)) if of.nullable else None
            both = logic("and", where, known) if where and known else where or known
            return (Fold("sum", of, where), Fold("count", where=both)), "ratio"
        case "sum" | "min" | "max" as kind:
            return (Fold(kind, of, where),), "state"
        case other:
            raise AssertionError(f"no folds for {other}")


def _feature(
    draft: Draft,
    window: Window,
    folds: tuple[Fold, ...],
    result: Result,
    *,
    steps: int,
    percent: int,
    otherwise: int | float | None,
) -> FoldedFeature:
    is_integral = result == "state" and steps == 1 and not isinstance(otherwise, float)
    text = " / ".join([*map(str, folds), *([str(steps)] if steps != 1 else [])])
    head = _head(draft, window, percent, text, otherwise, is_integral=is_integral)
    return FoldedFeature(
        **head,
        error=f"1 %, or {1 / steps:g} if that is more" if percent else "",
        folds=folds,
        result=result,
        steps=steps,
        percent=percent,
    )


def derived(
    draft: Draft, window: Window, expression: Expression, inputs: Mapping[str, ComputedFeature]
) -> DerivedFeature:
    """Return the feature of a draft with an expression.

    Args:
        draft: The draft.
        window: Its window.
        expression: The expression.
        inputs: Name in it -> feature with the same window.
    """
    uses = ", ".join(f"{name} = {feature.meaning}" for name, feature in inputs.items())
    text = f"{expression} WITH {uses}" if uses else str(expression)
    head = _head(draft, window, 0, text, draft.otherwise(), is_integral=False)
    return DerivedFeature(**head, expression=expression, inputs=inputs)


def derivation(draft: Draft, names: Sequence[str]) -> Expression | None:
    """Return the expression of a derived feature over features called ``names``."""
    known = {name: of_feature(name) for name in names}
    found = draft.expression("expression", known, what="feature", as_numbers=True)
    if found is not None and found.type != "number":
        draft.fail("expression", f"a feature is a number, and this is a {found.type}")
    draft.otherwise()
    return found


def _head(
    draft: Draft,
    window: Window,
    percent: int,
    text: str,
    otherwise: int | float | None,
    *,
    is_integral: bool,
) -> dict[str, Any]:
    """Return the attributes that folded and derived features share."""
    base = f"{draft.name}_p{percent}" if percent else draft.name
    text = f"{percent} % of {text}" if percent else text
    description = draft.texts["description"].replace("{window}", str(window))
    if otherwise is not None and not is_integral:
        otherwise = float(otherwise)
    return {
        "name": f"{base}_{window.suffix}",
        "type": "Integral" if is_integral else "Fractional",
        "unit": draft.texts.get("unit", ""),
        "description": description.replace("{percent}", str(percent)),
        "base": base,
        "window": window,
        "otherwise": otherwise,
        "meaning": text if otherwise == 0 else f"{text} ELSE {otherwise}",
    }
