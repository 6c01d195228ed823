"""Typed expressions, each with the bounds of its values [pure].

Types and bounds are known before anything runs. An intermediate result of whole numbers fits
128 bits, so that neither Python nor SQL can overflow; a division by zero is NULL.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from txfeatures.domain.features.columns import Column, Type

INT64_MAX = 2**63 - 1
INT128_MAX = 2**127 - 1
DEEPEST = 40
"""Most levels of an expression: far more than anyone writes, far below what parsers take."""

_WORDS = {"and": "AND", "or": "OR"}
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
ARITHMETIC = frozenset({"+", "-", "*", "/", "//", "%"})


class UnfitError(Exception):
    """Operands that an operator does not take; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A node of an expression.

    Attributes:
        op: ``column``, ``literal``, ``case``, a function, or an operator as in SQL.
        args: Operands. Those of ``case`` are condition, value, ..., and the value of ELSE.
        value: Name of a column, or value of a literal; None for NULL.
        type: Type of the result.
        nullable: The result may be NULL.
        low: Least result, of a whole number or a number.
        high: Greatest result.
        column: The column of a transaction, if it is one.
    """

    op: str
    args: tuple["Expression", ...] = ()
    value: int | float | bool | str | None = None
    type: Type
    nullable: bool
    low: float = 0
    high: float = 0
    column: Column | None = None

    @property
    def is_null(self) -> bool:
        """True for the literal NULL, which fits every type."""
        return self.op == "literal" and self.value is None

    @property
    def depth(self) -> int:
        """Number of levels."""
        return 1 + max((arg.depth for arg in self.args), default=0)

    @property
    def names(self) -> set[str]:
        """The names that it uses."""
        return {str(node.value) for node in self.walk() if node.op == "column"}

    def walk(self) -> Iterator["Expression"]:
        """Yield the node and all below it."""
        yield self
        for arg in self.args:
            yield from arg.walk()

    def __str__(self) -> str:
        """Return the canonical text: equal texts have equal meanings."""
        match self.op:
            case "column":
                return str(self.value)
            case "literal":
                return _literal(self.value)
            case "neg":
                return f"-{_operand(self.args[0])}"
            case "not":
                return f"NOT {_operand(self.args[0])}"
            case "is_null":
                return f"{_operand(self.args[0])} IS NULL"
            case "case":
                pairs = zip(self.args[:-1:2], self.args[1:-1:2], strict=True)
                whens = " ".join(f"WHEN {c} THEN {v}" for c, v in pairs)
                rest = "" if self.args[-1].is_null else f" ELSE {self.args[-1]}"
                return f"CASE {whens}{rest} END"
            case op if op in COMPARISONS | ARITHMETIC or op in _WORDS:
                return f" {_WORDS.get(op, op)} ".join(map(_operand, self.args))
            case function:
                return f"{function}({', '.join(map(str, self.args))})"


def of_column(column: Column) -> Expression:
    """Return a reference to a column of a transaction."""
    return Expression(
        op="column",
        value=column.name,
        type=column.type,
        nullable=column.nullable,
        low=column.low,
        high=column.high,
        column=column,
    )


def of_feature(name: str) -> Expression:
    """Return a reference to another feature, as a double."""
    return Expression(op="column", value=name, type="number", nullable=True, low=-inf, high=inf)


def literal(value: int | float | bool | None, *, as_number: bool = False) -> Expression:
    """Return a literal; with ``as_number``, a whole number becomes a double."""
    if value is None:
        return Expression(op="literal", type="whole number", nullable=True)
    if isinstance(value, bool):
        return Expression(op="literal", value=value, type="truth value", nullable=False)
    if isinstance(value, float) or as_number:
        number = float(value)
        return Expression(
            op="literal", value=number, type="number", nullable=False, low=number, high=number
        )
    if value > INT64_MAX:
        raise UnfitError(f"{value} needs more than 64 bits")
    return Expression(
        op="literal", value=value, type="whole number", nullable=False, low=value, high=value
    )


def arithmetic(op: str, *args: Expression) -> Expression:
    """Return ``neg``, ``abs`` or a binary operation of ``ARITHMETIC``.

    Raises:
        UnfitError: An operand has the wrong type, or the result may need more than 128 bits.
    """
    kind = _numeric(op, args)
    nullable = any(arg.nullable for arg in args)
    if kind == "number":
        if op in {"//", "%"}:
            raise UnfitError(f"{op} takes whole numbers, and a derived feature's are not; use /")
        return Expression(
            op=op, args=args, type="number", nullable=nullable or len(args) > 1, low=-inf, high=inf
        )
    if op == "/":
        raise UnfitError("/ gives a fraction, which would not be exact; use // or set resolution")
    low, high = _bounds(op, args)
    if max(abs(low), abs(high)) > INT128_MAX:
        raise UnfitError(f"the result of {op} may need more than 128 bits")
    by_zero = op in {"//", "%"} and args[1].low <= 0 <= args[1].high
    return Expression(
        op=op, args=args, type="whole number", nullable=nullable or by_zero, low=low, high=high
    )


def ratio(left: Expression, right: Expression) -> Expression:
    """Return the quotient of two whole numbers, to be counted in whole steps."""
    if _numeric("/", (left, right)) != "whole number":
        raise UnfitError("/ takes whole numbers here")
    return Expression(op="/", args=(left, right), type="whole number", nullable=True)


def comparison(op: str, left: Expression, right: Expression) -> Expression:
    """Return a comparison; raises UnfitError for values of two types."""
    kind = _common(op, (left, right))
    if kind == "truth value" and op not in {"=", "<>"}:
        raise UnfitError(f"{op} compares numbers, not truth values")
    return Expression(
        op=op, args=(left, right), type="truth value", nullable=left.nullable or right.nullable
    )


def logic(op: str, *args: Expression) -> Expression:
    """Return ``and``, ``or`` or ``not``; raises UnfitError unless all are truth values."""
    for arg in args:
        require(arg, "truth value", op.upper())
    nullable = any(arg.nullable for arg in args)
    return Expression(op=op, args=args, type="truth value", nullable=nullable)


def is_null(arg: Expression) -> Expression:
    """Return ``arg IS NULL``."""
    return Expression(op="is_null", args=(arg,), type="truth value", nullable=False)


def case(*args: Expression) -> Expression:
    """Return CASE of condition, value, ..., and the value of ELSE."""
    for condition in args[:-1:2]:
        require(condition, "truth value", "WHEN")
    values = (*args[1:-1:2], args[-1])
    return _one_of("case", args, values, nullable=any(value.nullable for value in values))


def choice(op: str, *args: Expression) -> Expression:
    """Return ``coalesce``, ``greatest``, ``least`` or ``nullif``; the middle two ignore NULL."""
    if op == "nullif":
        _common(op, args)
        return _one_of(op, args, args[:1], nullable=True)
    chosen = _one_of(op, args, args, nullable=all(arg.nullable for arg in args))
    if op == "coalesce":
        return chosen
    if chosen.type == "truth value":
        raise UnfitError(f"{op} takes numbers, not truth values")
    if any(arg.nullable for arg in args):
        return chosen
    pick = max if op == "greatest" else min
    low, high = pick(arg.low for arg in args), pick(arg.high for arg in args)
    return _with_bounds(chosen, low, high)


def require(arg: Expression, kind: Type, user: str) -> None:
    """Raise UnfitError unless ``arg`` has the type that ``user`` takes."""
    if arg.type != kind and not arg.is_null:
        raise UnfitError(f"{user} takes a {kind}, and this is a {arg.type}")


def _one_of(
    op: str, args: tuple[Expression, ...], values: tuple[Expression, ...], *, nullable: bool
) -> Expression:
    kind = _common(op, values)
    known = [value for value in values if not value.is_null]
    return Expression(
        op=op,
        args=args,
        type=kind,
        nullable=nullable,
        low=min((value.low for value in known), default=0),
        high=max((value.high for value in known), default=0),
    )


def _with_bounds(node: Expression, low: float, high: float) -> Expression:
    return Expression(
        op=node.op, args=node.args, type=node.type, nullable=node.nullable, low=low, high=high
    )


def _common(op: str, args: tuple[Expression, ...]) -> Type:
    kinds = sorted({arg.type for arg in args if not arg.is_null})
    if len(kinds) > 1:
        raise UnfitError(f"{op} takes values of one type, not a {kinds[0]} and a {kinds[1]}")
    return kinds[0] if kinds else "whole number"


def _numeric(op: str, args: tuple[Expression, ...]) -> Type:
    for arg in args:
        if arg.is_null:
            raise UnfitError(f"{op} of NULL is always NULL")
        if arg.type == "truth value":
            raise UnfitError(
                f"{op} takes numbers, not truth values; write CASE WHEN ... THEN 1 ELSE 0 END"
            )
    return _common(op, args)


def _bounds(op: str, args: tuple[Expression, ...]) -> tuple[int, int]:
    """Return the bounds of an operation on whole numbers."""
    (a, b), (c, d) = _range(args[0]), _range(args[-1])
    match op:
        case "neg":
            return -b, -a
        case "abs":
            return (0 if a <= 0 <= b else min(abs(a), abs(b))), max(abs(a), abs(b))
        case "+":
            return a + c, b + d
        case "-":
            return a - d, b - c
        case "*":
            products = [x * y for x in (a, b) for y in (c, d)]
            return min(products), max(products)
        case "//":
            divisors = [y for y in {c, d, -1, 1} if c <= y <= d and y]
            quotients = [quotient(x, y) for x in (a, b) for y in divisors]
            return min(quotients, default=0), max(quotients, default=0)
        case _:  # "%": the sign is the dividend's
            most = max(abs(c), abs(d), 1) - 1
            return (max(a, -most) if a < 0 else 0), (min(b, most) if b > 0 else 0)


def _range(arg: Expression) -> tuple[int, int]:
    return int(arg.low), int(arg.high)


def quotient(left: int, right: int) -> int:
    """Return the quotient rounded towards zero, as in SQL."""
    rounded = abs(left) // abs(right)
    return rounded if (left < 0) == (right < 0) else -rounded


def remainder(left: int, right: int) -> int:
    """Return the remainder with the sign of ``left``, as in SQL."""
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value).upper() if isinstance(value, bool) else repr(value)


def _operand(arg: Expression) -> str:
    is_atom = not arg.args or arg.op in {"case", "coalesce", "greatest", "least", "nullif", "abs"}
    return str(arg) if is_atom else f"({arg})"
