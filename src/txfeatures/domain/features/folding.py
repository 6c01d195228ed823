"""The computation of the stream, compiled from the folds of a declaration [pure].

All folds of all transactions are one loop of generated Python: the columns are read once, and an
expression that several folds share is computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from txfeatures.domain.features import sketch
from txfeatures.domain.features.columns import COLUMNS
from txfeatures.domain.features.kinds import DerivedFeature, Fold
from txfeatures.domain.features.python_code import HELPERS, Code
from txfeatures.domain.model import Transaction

Contribute = Callable[[Sequence[Transaction]], tuple[Any, ...]]
"""Transactions -> the state of each fold over them, in the order of the folds."""

Derive = Callable[[Mapping[str, Any]], float | None]
"""Values of features by name -> the value of a derived one."""


def compiled(folds: Sequence[Fold]) -> Contribute:
    """Return the function that folds transactions, for all ``folds`` at once."""
    code = Code({name: f"c_{name}" for name in COLUMNS})
    updates = [line for n, fold in enumerate(folds) for line in _update(n, fold, code)]
    names = sorted({name for fold in folds for name in _columns(fold)})
    loop = [*(f"c_{name} = {COLUMNS[name].python}" for name in names), *code.lines, *updates]
    function: Contribute = _function(
        "transactions",
        [
            *(line for n, fold in enumerate(folds) for line in _start(n, fold)),
            "for t in transactions:",
            *(f"    {line}" for line in loop or ["pass"]),
            f"return ({''.join(f'{_end(n, fold)}, ' for n, fold in enumerate(folds))})",
        ],
    )
    return function


def derivation(feature: DerivedFeature) -> Derive:
    """Return the function that computes a derived feature from the values of others."""
    names = {name: f"x{n}" for n, name in enumerate(feature.inputs)}
    code = Code(names)
    result = code.atom(feature.expression)
    columns = [(names[name], source.name) for name, source in feature.inputs.items()]
    loads = []
    for name, column in columns:
        loads += [f"{name} = row[{column!r}]", f"if {name} is not None: {name} = float({name})"]
    function: Derive = _function("row", [*loads, *code.lines, f"return {result}"])
    return function


def _function(argument: str, lines: Sequence[str]) -> Any:
    source = "\n".join([f"def function({argument}):", *(f"    {line}" for line in lines)])
    scope: dict[str, Any] = {**HELPERS, "nothing": NOTHING}
    # Generated from a checked tree: names are ours, literals are numbers.
    exec(compile(source, "<features>", "exec"), scope)  # noqa: S102
    return scope["function"]


NOTHING = 2**64
"""Beyond every contribution: the start of a least one, and negated that of a greatest one."""


def _columns(fold: Fold) -> set[str]:
    return {name for root in (fold.of, fold.where) if root for name in root.names}


def _start(number: int, fold: Fold) -> list[str]:
    match fold.kind:
        case "min":
            return [f"s{number} = nothing"]
        case "max":
            return [f"s{number} = -nothing"]
        case "sketch":
            return [f"s{number} = {{}}", f"get{number} = s{number}.get"]
        case "count" if fold.where is None:
            return []
        case _:
            return [f"s{number} = 0"]


def _end(number: int, fold: Fold) -> str:
    state = f"s{number}"
    match fold.kind:
        case "min":
            return f"None if {state} == nothing else {state}"
        case "max":
            return f"None if {state} == -nothing else {state}"
        case "count" if fold.where is None:
            return "len(transactions)"
        case _:
            return state


def _update(number: int, fold: Fold, code: Code) -> list[str]:
    if fold.of is None and fold.where is None:
        return []
    conditions = []
    if fold.where is not None:
        conditions.append(code.atom(fold.where))
    value = ""
    if fold.of is not None:
        value = code.atom(fold.of)
        if fold.of.nullable:
            conditions.append(f"{value} is not None")
    lines = _add(number, fold, value)
    if not conditions:
        return lines
    return [f"if {' and '.join(conditions)}:", *(f"    {line}" for line in lines)]


def _add(number: int, fold: Fold, value: str) -> list[str]:
    state = f"s{number}"
    match fold.kind:
        case "count":
            return [f"{state} += 1"]
        case "sum":
            return [f"{state} += {value}"]
        case "min":
            return [f"if {value} < {state}: {state} = {value}"]
        case "max":
            return [f"if {value} > {state}: {state} = {value}"]
        case _:
            return [
                f"b = {sketch.bucket_source(value)}",
                f"{state}[b] = get{number}(b, 0) + 1",
            ]
