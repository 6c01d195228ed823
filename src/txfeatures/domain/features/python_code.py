"""Expressions as Python source [pure].

An expression becomes assignments of its parts, each once, and an atom: a name or a literal.
Names are generated, so nothing of a declaration's text reaches the source. NULL is None.
"""

from math import isfinite
from typing import Any

from txfeatures.domain.features.expression import (
    ARITHMETIC,
    COMPARISONS,
    Expression,
    quotient,
    remainder,
)

HELPERS: dict[str, Any] = {"quotient": quotient, "remainder": remainder, "isfinite": isfinite}
"""Functions that generated source calls."""

_PYTHON = {"=": "==", "<>": "!="}


class Code:
    """Assignments that compute expressions; equal parts are computed once.

    Args:
        inputs: Name in expressions -> Python atom.
    """

    def __init__(self, inputs: dict[str, str]) -> None:
        self.lines: list[str] = []
        self._inputs = inputs
        self._known: dict[str, str] = {}

    def atom(self, node: Expression) -> str:
        """Return the atom of ``node`` after adding the assignments that it needs."""
        if node.op == "column":
            return self._inputs[str(node.value)]
        if node.op == "literal":
            return f"({node.value!r})" if node.type != "truth value" else repr(node.value)
        text = f"{node.type} {node}"  # a whole number and a number may look alike
        if text not in self._known:
            source = self._source(node, [self.atom(arg) for arg in node.args])
            name = f"v{len(self._known)}"
            self._known[text] = name
            self.lines.append(f"{name} = {source}")
            if node.type == "number" and node.op in ARITHMETIC:
                self.lines.append(f"if {name} is not None and not isfinite({name}): {name} = None")
        return self._known[text]

    def _source(self, node: Expression, args: list[str]) -> str:
        match node.op:
            case "case":
                pairs = zip(args[:-1:2], args[1:-1:2], strict=True)
                return " ".join([*(f"{v} if {c} else" for c, v in pairs), args[-1]])
            case "coalesce":
                known = [n for n, arg in enumerate(node.args) if not arg.nullable]
                args = args[: known[0] + 1] if known else args
                found = [f"{arg} if {arg} is not None else" for arg in args[:-1]]
                return " ".join([*found, args[-1]])
            case "greatest" | "least":
                return _extreme(node, args)
            case "nullif":
                return f"None if {args[0]} == {args[1]} else {args[0]}"
            case "is_null":
                return f"{args[0]} is None" if node.args[0].nullable else "False"
            case "and" | "or":
                return _three_valued(node, args)
            case _:
                return _strict(node, args)


def _strict(node: Expression, args: list[str]) -> str:
    """Return the source of an operation that is NULL if an operand is."""
    nulls = [f"{a} is None" for a, arg in zip(args, node.args, strict=True) if arg.nullable]
    match node.op:
        case "neg":
            source = f"-{args[0]}"
        case "not":
            source = f"not {args[0]}"
        case "abs":
            source = f"abs({args[0]})"
        case "//" | "%":
            is_natural = node.args[0].low >= 0 and node.args[1].low >= 0
            helper = "quotient" if node.op == "//" else "remainder"
            source = f"{helper}({args[0]}, {args[1]})"
            if is_natural:
                source = f"{args[0]} {node.op} {args[1]}"
        case op if op in COMPARISONS or op in ARITHMETIC:
            source = f"{args[0]} {_PYTHON.get(op, op)} {args[1]}"
        case op:
            raise AssertionError(f"no source for {op}")
    if node.op in {"/", "//", "%"} and node.args[1].low <= 0 <= node.args[1].high:
        nulls.append(f"{args[1]} == 0")
    return f"None if {' or '.join(nulls)} else {source}" if nulls else source


def _three_valued(node: Expression, args: list[str]) -> str:
    decided = "False" if node.op == "and" else "True"
    other = "True" if node.op == "and" else "False"
    if not node.nullable:
        return f" {node.op} ".join(args)
    is_decided = " or ".join(f"{arg} is {decided}" for arg in args)
    is_unknown = " or ".join(f"{arg} is None" for arg in args)
    return f"{decided} if {is_decided} else None if {is_unknown} else {other}"


def _extreme(node: Expression, args: list[str]) -> str:
    function = "max" if node.op == "greatest" else "min"
    if not any(arg.nullable for arg in node.args):
        return f"{function}({', '.join(args)})"
    found = f"[x for x in ({', '.join(args)},) if x is not None]"
    return f"{function}({found}, default=None)"
