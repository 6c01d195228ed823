from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.domain.features import INTEGRAL_MAX
from txfeatures.domain.features.columns import COLUMNS
from txfeatures.domain.features.expression import arithmetic, literal, of_column
from txfeatures.domain.features.folding import compiled
from txfeatures.domain.features.kinds import OVERFLOWED, Fold, Window
from txfeatures.domain.model import Transaction

Kind = Literal["sum", "min", "max", "sketch"]
KINDS: list[Kind] = ["sum", "min", "max", "sketch"]
FEE = of_column(COLUMNS["fee"])
SIZE = of_column(COLUMNS["size"])
contributions = st.lists(st.integers(0, 2**62), max_size=10)


def folded(kind: Kind, fees: list[int]) -> Any:
    fold = Fold(kind, FEE)
    [found] = compiled([fold])([Transaction(hash="0" * 64, time=0, fee=fee) for fee in fees])
    return fold.merge(fold.zero, found)


@pytest.mark.parametrize("kind", KINDS)
@given(parts=st.lists(contributions, min_size=3, max_size=3))
def test_a_fold_is_associative_and_commutative_and_its_zero_is_neutral(
    kind: Kind, parts: list[list[int]]
) -> None:
    fold = Fold(kind, FEE)
    a, b, c = (folded(kind, part) for part in parts)
    assert fold.merge(fold.merge(a, b), c) == fold.merge(a, fold.merge(b, c))
    assert fold.merge(fold.merge(a, b), c) == folded(kind, [n for part in parts for n in part])
    assert fold.merge(a, b) == fold.merge(b, a)
    assert fold.merge(a, fold.zero) == fold.merge(fold.zero, a) == a


@pytest.mark.parametrize(
    ("kind", "expected"), [("sum", 21), ("min", 5), ("max", 9), ("sketch", {5: 1, 7: 1, 9: 1})]
)
def test_a_fold_does_what_its_name_says(kind: Kind, expected: Any) -> None:
    assert folded(kind, [7, 5, 9]) == expected


@pytest.mark.parametrize(("kind", "zero"), [("sum", 0), ("min", None), ("max", None)])
def test_the_least_and_greatest_of_nothing_are_nothing(kind: Kind, zero: Any) -> None:
    assert folded(kind, []) == zero


def test_a_total_of_64_bits_is_exact_and_one_beyond_stays_where_it_is() -> None:
    merge = Fold("sum", FEE).merge
    assert merge(INTEGRAL_MAX - 1, 1) == INTEGRAL_MAX
    assert merge(INTEGRAL_MAX, 1) == merge(OVERFLOWED, 5) == OVERFLOWED
    assert merge(INTEGRAL_MAX, INTEGRAL_MAX) == OVERFLOWED


def test_a_transaction_that_contributes_nothing_is_passed_over() -> None:
    sizes = [None, 7, 5]
    found = [Transaction(hash="0" * 64, time=0, fee=1, size=size) for size in sizes]
    assert compiled([Fold("min", SIZE)])(found) == (5,)
    assert compiled([Fold("min", SIZE)])(found[:1]) == (None,)


def test_folds_that_differ_have_different_keys_and_equal_ones_the_same() -> None:
    of = [FEE, arithmetic("+", FEE, literal(1)), arithmetic("+", literal(1), FEE)]
    keys = {Fold(kind, each).key for kind in KINDS for each in of}
    assert len(keys) == len(KINDS) * len(of)
    assert Fold("sum", arithmetic("+", FEE, literal(1))).key == "sum(fee + 1)"


def test_a_long_fold_has_a_short_key() -> None:
    long = FEE
    for number in range(20):
        long = arithmetic("+", long, literal(number))
    assert len(Fold("sum", long).key) < 40
    assert Fold("sum", long).key != Fold("sum", arithmetic("+", long, literal(1))).key


@pytest.mark.parametrize(
    ("minutes", "written", "suffix"),
    [
        (1, "1m", "1min"),
        (5, "5m", "5min"),
        (60, "1h", "1h"),
        (90, "90m", "90min"),
        (1440, "24h", "24h"),
    ],
)
def test_a_window_is_written_in_whole_hours_if_it_can_be(
    minutes: int, written: str, suffix: str
) -> None:
    assert (str(Window(minutes)), Window(minutes).suffix) == (written, suffix)
