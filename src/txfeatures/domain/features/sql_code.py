"""Expressions as DuckDB SQL [pure].

Whole numbers are BIGINT, and HUGEINT where a result may need more; numbers are DOUBLE. A
division by zero, and a double that is not finite, is NULL, as it is in the stream.
"""

from collections.abc import Mapping

from txfeatures.domain.features.expression import (
    ARITHMETIC,
    COMPARISONS,
    INT64_MAX,
    Expression,
)


def sql(node: Expression, inputs: Mapping[str, str]) -> str:
    """Return the SQL of an expression, in parentheses where they may matter.

    Args:
        node: The expression.
        inputs: Name in expressions -> SQL.
    """
    args = [sql(arg, inputs) for arg in node.args]
    match node.op:
        case "column":
            return f"({inputs[str(node.value)]})"
        case "literal":
            return _literal(node)
        case "case":
            pairs = zip(args[:-1:2], args[1:-1:2], strict=True)
            return f"(CASE {' '.join(f'WHEN {c} THEN {v}' for c, v in pairs)} ELSE {args[-1]} END)"
        case "not":
            return f"(NOT {args[0]})"
        case "is_null":
            return f"({args[0]} IS NULL)"
        case "and" | "or":
            return f"({f' {node.op.upper()} '.join(args)})"
        case op if op in COMPARISONS:
            return f"({args[0]} {op} {args[1]})"
        case op if op in ARITHMETIC or op in {"neg", "abs"}:
            return _arithmetic(node, args)
        case function:
            return f"{function}({', '.join(args)})"


def _arithmetic(node: Expression, args: list[str]) -> str:
    if node.type == "whole number" and any(map(_is_wide, (node, *node.args))):
        args = [f"CAST({arg} AS HUGEINT)" for arg in args]
    match node.op:
        case "neg":
            return f"(- {args[0]})"
        case "abs":
            return f"abs({args[0]})"
        case "/" | "//" | "%":
            made = f"({args[0]} {node.op} nullif({args[1]}, 0))"
        case op:
            made = f"({args[0]} {op} {args[1]})"
    return finite(made) if node.type == "number" else made


def finite(number: str) -> str:
    """Return the SQL of a double that is NULL unless it is finite."""
    for value in ("inf", "-inf", "nan"):
        number = f"nullif({number}, '{value}'::DOUBLE)"
    return number


def _literal(node: Expression) -> str:
    if node.value is None:
        return "NULL"
    if isinstance(node.value, bool):
        return str(node.value).lower()
    kind = "DOUBLE" if node.type == "number" else "BIGINT"
    return (
        f"CAST({node.value!r} AS {kind})"
        if kind == "BIGINT"
        else f"CAST('{node.value!r}' AS {kind})"
    )


def _is_wide(node: Expression) -> bool:
    """Return whether a value may need more than 64 bits."""
    return node.type == "whole number" and max(abs(node.low), abs(node.high)) > INT64_MAX
