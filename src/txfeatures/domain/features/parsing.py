"""Text -> expression: the small subset of SQL that declarations are written in [pure].

sqlglot reads the text once; the stream's Python and the archive's SQL are both generated from
the tree that is made here, never from the text.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from txfeatures.domain.features import expression
from txfeatures.domain.features.expression import Expression, UnfitError

LONGEST = 2_000
"""Most characters of an expression."""

FUNCTIONS = ("abs", "coalesce", "greatest", "least", "mod", "nullif")

Names = Mapping[str, Expression]
"""The names that an expression may use, each with what it stands for."""

_BINARY: Mapping[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "//",
    exp.Mod: "%",
}
_COMPARISON: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_CHOICE: Mapping[type[exp.Expr], str] = {
    exp.Coalesce: "coalesce",
    exp.Greatest: "greatest",
    exp.Least: "least",
    exp.Nullif: "nullif",
}

# sqlglot warns of text that it reads as a command; what is no expression is refused below.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)


class ExpressionError(Exception):
    """An expression that can't be used.

    Args:
        offset: Place of the mistake in the text, from 0.
        sentence: Its description.
    """

    def __init__(self, offset: int, sentence: str) -> None:
        super().__init__(sentence)
        self.offset = offset
        self.sentence = sentence


def parse(
    text: str,
    names: Names,
    *,
    what: str,
    as_numbers: bool = False,
    is_quotient_fine: bool = False,
) -> Expression:
    """Return the expression that ``text`` writes.

    Args:
        text: The expression.
        names: The names it may use.
        what: What a name stands for, in errors: ``column`` or ``feature``.
        as_numbers: Whole numbers in the text are doubles.
        is_quotient_fine: The whole expression may be a quotient of whole numbers.

    Raises:
        ExpressionError: It is none, or its types don't fit.
    """
    if len(text) > LONGEST:
        raise ExpressionError(0, f"an expression has at most {LONGEST:,} characters")
    try:
        tree = parse_one(text, dialect="duckdb")
        translation = _Translation(text, names, what=what, as_numbers=as_numbers)
        while isinstance(tree, exp.Paren):
            tree = tree.this
        is_quotient = is_quotient_fine and isinstance(tree, exp.Div)
        found = translation.quotient(tree) if is_quotient else translation.of(tree)
    except SqlglotError as error:
        raise _unreadable(text, error) from error
    except RecursionError as error:
        raise ExpressionError(0, "the expression is nested too deeply") from error
    if found.depth > expression.DEEPEST:
        raise ExpressionError(0, "the expression is nested too deeply")
    return found


class _Translation:
    def __init__(self, text: str, names: Names, *, what: str, as_numbers: bool) -> None:
        self._text = text
        self._names = names
        self._what = what
        self._as_numbers = as_numbers

    def of(self, node: exp.Expr) -> Expression:
        """Return the expression of ``node``; an unfit operand is located there."""
        try:
            return self._translate(node)
        except UnfitError as error:
            raise ExpressionError(_start(node), str(error)) from error

    def quotient(self, node: exp.Expr) -> Expression:
        """Return the quotient of ``node``, which is not whole."""
        try:
            return expression.ratio(*self._operands(node))
        except UnfitError as error:
            raise ExpressionError(_start(node), str(error)) from error

    def _translate(self, node: exp.Expr) -> Expression:
        kind = type(node)
        if kind in _BINARY:
            return expression.arithmetic(_BINARY[kind], *self._operands(node))
        if kind in _COMPARISON:
            left, right = self._operands(node)
            return expression.comparison(_COMPARISON[kind], left, right)
        if kind in _CHOICE:
            given = (node.this, *node.expressions, *filter(None, [node.args.get("expression")]))
            return expression.choice(_CHOICE[kind], *map(self.of, given))
        translate = self._OTHERS.get(kind)
        if translate is None:
            raise ExpressionError(_start(node), self._refusal(node))
        return translate(self, node)

    def _operands(self, node: exp.Expr) -> tuple[Expression, Expression]:
        return self.of(node.this), self.of(node.expression)

    def _column(self, node: exp.Expr) -> Expression:
        identifier = node.this
        if node.args.get("table") or not isinstance(identifier, exp.Identifier):
            raise ExpressionError(_start(node), self._refusal(node))
        name = str(identifier.this)
        if name in self._names:
            return self._names[name]
        near = get_close_matches(name, self._names, 1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(self._names)}"
        raise ExpressionError(_start(node), f"there is no {self._what} {name}; {known}")

    def _literal(self, node: exp.Expr) -> Expression:
        text = str(node.this)
        if node.args.get("is_string"):
            raise ExpressionError(_start(node), f"'{text}' is a text; columns hold numbers")
        if text.isdecimal() and len(text) <= 40:  # int() refuses texts of thousands of digits
            return expression.literal(int(text), as_number=self._as_numbers)
        if not self._as_numbers:
            raise UnfitError(f"{text} is no whole number of at most 64 bits")
        number = float(text)
        if number == float("inf"):
            raise UnfitError(f"{text} is too large")
        return expression.literal(number)

    def _case(self, node: exp.Expr) -> Expression:
        subject = node.args.get("this")
        args: list[Expression] = []
        for branch in node.args["ifs"]:
            condition = self.of(branch.this)
            if subject is not None:
                condition = expression.comparison("=", self.of(subject), condition)
            args += [condition, self.of(branch.args["true"])]
        rest = node.args.get("default")
        args.append(self.of(rest) if rest is not None else expression.literal(None))
        return expression.case(*args)

    def _is(self, node: exp.Expr) -> Expression:
        if not isinstance(node.expression, exp.Null):
            raise ExpressionError(_start(node), "IS is followed by NULL or NOT NULL")
        return expression.is_null(self.of(node.this))

    def _between(self, node: exp.Expr) -> Expression:
        subject, low, high = (self.of(node.args[part]) for part in ("this", "low", "high"))
        return expression.logic(
            "and",
            expression.comparison(">=", subject, low),
            expression.comparison("<=", subject, high),
        )

    def _in(self, node: exp.Expr) -> Expression:
        if not node.expressions:
            raise ExpressionError(_start(node), "IN is followed by a list of values")
        subject = self.of(node.this)
        equal = [expression.comparison("=", subject, self.of(each)) for each in node.expressions]
        return expression.logic("or", *equal)

    def _refusal(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Anonymous | exp.Func) and not isinstance(node, exp.Cast):
            name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
            return f"there is no function {name.lower()}; there are {', '.join(FUNCTIONS)}"
        start = _start(node)
        rest = self._text[start : start + 30].strip() or self._text[:30].strip()
        return (
            f"{rest!r} is not part of the language: numbers, {self._what}s, + - * / // %, "
            "comparisons, AND, OR, NOT, IS NULL, BETWEEN, IN, CASE and functions are"
        )

    _OTHERS: Mapping[type[exp.Expr], Callable[["_Translation", exp.Expr], Expression]] = {
        exp.Column: _column,
        exp.Literal: _literal,
        exp.Boolean: lambda _, node: expression.literal(bool(node.this)),
        exp.Null: lambda _self, _node: expression.literal(None),
        exp.Paren: lambda self, node: self.of(node.this),
        exp.Neg: lambda self, node: expression.arithmetic("neg", self.of(node.this)),
        exp.Abs: lambda self, node: expression.arithmetic("abs", self.of(node.this)),
        exp.Not: lambda self, node: expression.logic("not", self.of(node.this)),
        exp.And: lambda self, node: expression.logic("and", *self._operands(node)),
        exp.Or: lambda self, node: expression.logic("or", *self._operands(node)),
        exp.Case: _case,
        exp.Is: _is,
        exp.Between: _between,
        exp.In: _in,
    }


def _start(node: exp.Expr) -> int:
    """Return the offset of the first thing with a place at or below ``node``."""
    return min(_starts(node), default=0)


def _starts(node: exp.Expr) -> Iterator[int]:
    for each in node.walk():
        if isinstance(start := each.meta.get("start"), int):
            yield start


def _unreadable(text: str, error: SqlglotError) -> ExpressionError:
    found = getattr(error, "errors", None)
    if not text.strip():
        return ExpressionError(0, "the expression is empty")
    if not found:
        return ExpressionError(0, "it is no expression: a quote or comment is not closed")
    place = found[0]
    mark = place.get("highlight") or ""
    before = text.splitlines(keepends=True)[: max((place.get("line") or 1) - 1, 0)]
    end = sum(map(len, before)) + (place.get("col") or 0)
    offset = min(max(end - len(mark), 0), len(text) - 1)
    what = f"at {mark!r}" if mark else "at its end"
    return ExpressionError(offset, f"it is no expression: it can't be read {what}")
