"""Random declarations over random transactions: the stream, SQL and a naive reading agree.

The naive reading evaluates the same random expression, drawn as a nested tuple, by rules of its
own; it shares no code with the product.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import BufferReader

from tests.properties.feeds import FEES_SAT, RESTS
from tests.support import oracle
from txfeatures.archive import schema
from txfeatures.domain import wire
from txfeatures.domain.features import (
    EMPTY,
    READABLE_SQL,
    Declaration,
    DeclarationError,
    FeatureOverflowError,
    read,
)
from txfeatures.domain.model import Record, Transaction

Tree = tuple[Any, ...]
"""An expression: an operator and its operands, a column, or a literal."""

NUMBERS = ("time", "fee", "size", "weight", "vsize", "vin_sz", "vout_sz", "output_value")
BINARY = ("+", "-", "*", "//", "%")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
OPERATORS = (*BINARY, "neg", "abs", "coalesce", "greatest", "least", "nullif", "case")
LITERALS = st.one_of(st.integers(0, 9), st.integers(0, 2**40), st.just(2**63 - 1))

atoms = st.one_of(
    st.sampled_from(NUMBERS).map(lambda name: ("column", name)),
    LITERALS.map(lambda value: ("literal", value)),
    st.just(("null",)),
)


@st.composite
def numbers(draw: st.DrawFn, depth: int = 3) -> Tree:
    """Draw an expression that is a whole number."""
    op = draw(st.sampled_from(["atom", *OPERATORS])) if depth else "atom"
    if op == "atom":
        return draw(atoms)
    operands = 1 if op in {"neg", "abs"} else 2
    condition = [draw(truths(depth - 1))] if op == "case" else []
    return (op, *condition, *(draw(numbers(depth - 1)) for _ in range(operands)))


@st.composite
def truths(draw: st.DrawFn, depth: int = 3) -> Tree:
    """Draw an expression that is a truth value."""
    ops = ["rbf", "literal"] + (
        ["is null", "between", "and", "or", "not", *COMPARISONS] * bool(depth)
    )
    op = draw(st.sampled_from(ops))
    if op == "rbf":
        return ("column", "rbf")
    if op == "literal":
        return ("literal", draw(st.booleans()))
    operands = {"is null": 1, "not": 1, "between": 3}.get(op, 2)
    of = truths if op in {"and", "or", "not"} else numbers
    return (op, *(draw(of(depth - 1)) for _ in range(operands)))


def written(tree: Tree) -> str:
    """Return the SQL of a tree, everything in parentheses."""
    op, *args = tree
    if op in {"column", "literal"}:
        return str(args[0])
    parts = [] if op == "null" else [written(arg) for arg in args]
    match op:
        case "null":
            return "NULL"
        case "neg":
            return f"(- {parts[0]})"
        case "not":
            return f"(NOT {parts[0]})"
        case "is null":
            return f"({parts[0]} IS NULL)"
        case "between":
            return f"({parts[0]} BETWEEN {parts[1]} AND {parts[2]})"
        case "case":
            return f"(CASE WHEN {parts[0]} THEN {parts[1]} ELSE {parts[2]} END)"
        case "abs" | "coalesce" | "greatest" | "least" | "nullif":
            return f"{op}({', '.join(parts)})"
        case _:
            return f"({parts[0]} {op} {parts[1]})"


def value(tree: Tree, tx: Mapping[str, Any]) -> Any:
    """Return the value of a tree for a transaction, by the rules of SQL; None for NULL."""
    op, *args = tree
    if op == "literal":
        return args[0]
    if op == "column":
        return COLUMNS[args[0]](tx)
    found = [value(arg, tx) for arg in args]
    if op == "null":
        return None
    if op == "is null":
        return found[0] is None
    if op == "coalesce":
        return found[1] if found[0] is None else found[0]
    if op in {"greatest", "least"}:
        known = sorted(each for each in found if each is not None)
        return None if not known else known[-1] if op == "greatest" else known[0]
    if op == "nullif":
        return None if found[0] is not None and found[0] == found[1] else found[0]
    if op == "case":
        return found[1] if found[0] is True else found[2]
    if op in {"and", "or"}:
        decided = op == "or"
        return decided if decided in found else None if None in found else not decided
    if op == "between":
        low, high = ((">=", tree[1], tree[2]), ("<=", tree[1], tree[3]))
        return value(("and", low, high), tx)
    if None in found:
        return None
    return CALCULATE[op](*found)


def divided(left: int, right: int) -> int | None:
    if right == 0:
        return None
    exact = Fraction(left, right)
    return int(exact)  # towards zero


def rest(left: int, right: int) -> int | None:
    whole = divided(left, right)
    return None if whole is None else left - whole * right


CALCULATE: Mapping[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": divided,
    "%": rest,
    "neg": lambda a: 0 - a,
    "abs": lambda a: a if a > 0 else 0 - a,
    "not": lambda a: not a,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def valid(name: str, least: int) -> Callable[[Mapping[str, Any]], int | None]:
    return lambda tx: (
        tx.get(name) if oracle.is_whole(tx.get(name), least, oracle.HEAVIEST) else None
    )


def outputs(tx: Mapping[str, Any]) -> int | None:
    out = tx.get("out")
    if not isinstance(out, list):
        return None
    values: list[Any] = [each.get("value") if isinstance(each, dict) else None for each in out]
    if not all(oracle.is_whole(each, 0, oracle.ALL_BITCOIN) for each in values):
        return None
    return sum(values) if sum(values) <= oracle.ALL_BITCOIN else None


COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "time": lambda tx: tx["time"],
    "fee": lambda tx: tx["fee"],
    "size": valid("size", 1),
    "weight": valid("weight", 1),
    "vsize": oracle.vsize,
    "vin_sz": valid("vin_sz", 0),
    "vout_sz": valid("vout_sz", 0),
    "output_value": outputs,
    "rbf": lambda tx: tx.get("rbf", False) if isinstance(tx.get("rbf", False), bool) else None,
}

aggregates = st.sampled_from(["count", "sum", "min", "max", "mean", "share", "quantile"])
declared_features = st.fixed_dictionaries(
    {"aggregate": aggregates, "from": numbers(), "over": numbers(2)},
    optional={"where": truths(), "else": st.sampled_from([0, 5, None]), "quotient": st.just(True)},
)
counts = st.one_of(st.integers(0, 50), st.sampled_from([4_000_000, 4_000_001, -1, 1.5, None]))
transactions = st.builds(
    lambda rest, more, head: rest | more | head,
    RESTS,
    st.fixed_dictionaries({}, optional={"vin_sz": counts, "vout_sz": counts}),
    st.fixed_dictionaries(
        {"hash": st.just("ab" * 32), "time": st.integers(0, 130), "fee": FEES_SAT}
    ),
)

COUNT = {"name": "total_nb_trx", "aggregate": "count", "description": "All."}
Select = Callable[[Declaration, Sequence[bytes]], dict[int, dict[str, Any]]]


def entry(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return a feature as a declaration writes it."""
    aggregate = drawn["aggregate"]
    found: dict[str, Any] = {"name": "x", "aggregate": aggregate, "description": "X."}
    if "where" in drawn or aggregate == "share":
        found["where"] = written(drawn.get("where", ("column", "rbf")))
    if aggregate not in {"count", "share"}:
        found["from"] = written(drawn["from"])
        if drawn.get("quotient"):
            found["from"] += f" / {written(drawn['over'])}"
    if aggregate == "quantile":
        found["quantiles"] = [37]
    if "else" in drawn and aggregate not in {"count", "sum"}:
        found["else"] = drawn["else"]
    return found


def expected(drawn: Mapping[str, Any], members: Sequence[Mapping[str, Any]]) -> Any:
    """Return the true value of the feature; a quantile as the exact one."""
    aggregate, otherwise = drawn["aggregate"], drawn.get("else", 0)
    where = drawn.get("where", ("column", "rbf") if aggregate == "share" else ("literal", True))
    chosen = [tx for tx in members if value(where, tx) is True]
    if aggregate == "count":
        return len(chosen)
    if aggregate == "share":
        return float(len(chosen)) / float(len(members))
    steps = 1000 if drawn.get("quotient") else 1
    found = []
    for tx in chosen:
        whole = value(drawn["from"], tx)
        if drawn.get("quotient") and whole is not None:
            over = value(drawn["over"], tx)
            whole = None if over is None else divided(whole * 1000, over)
        if whole is not None:
            found.append(whole)
    if aggregate == "sum":
        return sum(found) if steps == 1 else float(sum(found)) / steps
    if not found:
        return otherwise
    match aggregate:
        case "min" | "max":
            best = sorted(found)[0 if aggregate == "min" else -1]
            return best if steps == 1 else float(best) / steps
        case "mean":
            return float(sum(found)) / float(len(found) * steps)
        case _:
            return float(sorted(found)[-(-37 * len(found) // 100) - 1]) / steps


def streamed(declaration: Declaration, values: Sequence[bytes]) -> dict[int, dict[str, Any]]:
    """Return the rows of the stream: three partials per minute, folded in two calls, merged."""
    minutes: dict[int, list[Transaction]] = defaultdict(list)
    for each in values:
        transaction = wire.decode_transaction(each)
        minutes[transaction.time // 60 * 60].append(transaction)
    rows: dict[int, dict[str, Any]] = {}
    for minute_s, found in minutes.items():
        partials = [
            declaration.fold(declaration.fold(EMPTY, part[:1]), part[1:])
            for part in (found[::3], found[1::3], found[2::3])
        ]
        on_the_wire = [wire_copy(partial) for partial in partials]
        try:
            row = declaration.row(
                declaration.merge(on_the_wire),
                minute_s=0,
                event_time_ms=0,
                revision=1,
                is_final=True,
                gaps=0,
            )
        except FeatureOverflowError:
            rows[minute_s] = {"is_exact": False}
            continue
        computed = {feature.name: row.get(feature.name) for feature in declaration.computed}
        rows[minute_s] = computed | {"is_exact": True}
    return rows


def wire_copy(partial: Any) -> Any:
    from txfeatures.domain.model import PartitionUpdate

    update = PartitionUpdate(
        partition=0, partitions=1, feed_time_ms=0, watermark_s=0, minutes={0: partial}
    )
    return wire.decode_update(wire.encode_update(update)).minutes[0]


@pytest.fixture(scope="module")
def selected() -> Iterator[Select]:
    with duckdb.connect(config={"threads": 1}) as engine:

        def select(declaration: Declaration, values: Sequence[bytes]) -> dict[int, dict[str, Any]]:
            records = [
                Record(topic="d", partition=0, offset=i, key=b"k", value=v, timestamp_ms=0)
                for i, v in enumerate(values)
            ]
            engine.register("archive", pq.read_table(BufferReader(schema.encode(records))))
            source = f"(SELECT * FROM archive WHERE {READABLE_SQL})"
            found = engine.execute(declaration.minute_sql(source))
            names = [column[0] for column in found.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
            return {
                row.pop("minute_s"): row if row["is_exact"] else {"is_exact": False} for row in rows
            }

        yield select


def declaration_of(*features: Mapping[str, Any]) -> Declaration | None:
    """Return the declaration of features, None if it has mistakes."""
    text = yaml.safe_dump({"version": 1, "features": [COUNT, *features]}, width=10_000)
    try:
        return read(text, name="f.yaml")
    except DeclarationError:
        return None


accepted = {"yes": 0, "no": 0}


@settings(max_examples=60, deadline=None, print_blob=True)
@given(drawn=declared_features, found=st.lists(transactions, min_size=1, max_size=12))
def test_stream_sql_and_the_naive_reading_agree_on_any_declaration(
    selected: Select, drawn: dict[str, Any], found: list[dict[str, Any]]
) -> None:
    declaration = declaration_of(entry(drawn))
    accepted["no" if declaration is None else "yes"] += 1
    if declaration is None:
        return
    values = [json.dumps(tx).encode() for tx in found]
    rows = streamed(declaration, values)
    assert selected(declaration, values) == rows
    name = "x_p37_1min" if drawn["aggregate"] == "quantile" else "x_1min"
    for minute_s, row in rows.items():
        members = [tx for tx in found if tx["time"] // 60 * 60 == minute_s]
        true = expected(drawn, members)
        if not row["is_exact"]:
            assert drawn["aggregate"] in {"sum", "mean"}
            continue
        assert row["total_nb_trx_1min"] == len(members)
        if drawn["aggregate"] == "quantile" and true is not None:
            step = 0.001 if drawn.get("quotient") else 1
            true = min(true, (2**37 - 1) * step)
            assert abs(row[name] - true) <= max(0.01 * true, step)
        else:
            assert row[name] == true


def test_random_declarations_are_not_all_refused() -> None:
    assert accepted["yes"] > 10
    assert accepted["no"] > 2
