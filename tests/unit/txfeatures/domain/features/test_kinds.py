from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures.domain.features import INTEGRAL_MAX
from txfeatures.domain.features.kinds import (
    GREATEST,
    LEAST,
    OVERFLOWED,
    SKETCH,
    SUM,
    Aggregate,
    Fold,
)
from txfeatures.domain.model import Transaction

contributions = st.lists(st.integers(0, 2**62), max_size=10)


def transaction(fee: int, size: int | None = None) -> Transaction:
    return Transaction(hash="0" * 64, time=0, fee=fee, size=size)


@pytest.mark.parametrize("aggregate", [SUM, LEAST, GREATEST, SKETCH])
@given(parts=st.lists(contributions, min_size=3, max_size=3))
def test_an_aggregate_is_associative_and_commutative_and_its_zero_is_neutral(
    aggregate: Aggregate, parts: list[list[int]]
) -> None:
    merge = aggregate.merge
    a, b, c = (aggregate.add(aggregate.zero, part) for part in parts)
    assert merge(merge(a, b), c) == merge(a, merge(b, c)) == aggregate.add(merge(a, b), parts[2])
    assert merge(a, b) == merge(b, a)
    assert merge(a, aggregate.zero) == merge(aggregate.zero, a) == a
    assert aggregate.add(a, []) == a


@pytest.mark.parametrize(
    ("aggregate", "expected"), [(SUM, 21), (LEAST, 5), (GREATEST, 9), (SKETCH, {5: 1, 7: 1, 9: 1})]
)
def test_an_aggregate_does_what_its_name_says(aggregate: Aggregate, expected: Any) -> None:
    assert aggregate.add(aggregate.zero, [7, 5, 9]) == expected


@pytest.mark.parametrize(("aggregate", "zero"), [(SUM, 0), (LEAST, None), (GREATEST, None)])
def test_the_least_and_greatest_of_nothing_are_nothing(aggregate: Aggregate, zero: Any) -> None:
    assert aggregate.add(aggregate.zero, []) == zero


def test_a_total_of_64_bits_is_exact_and_one_beyond_stays_where_it_is() -> None:
    assert SUM.add(INTEGRAL_MAX - 1, [1]) == INTEGRAL_MAX
    assert SUM.add(INTEGRAL_MAX, [1]) == SUM.add(OVERFLOWED, [5]) == OVERFLOWED
    assert SUM.merge(INTEGRAL_MAX, INTEGRAL_MAX) == OVERFLOWED


def test_a_transaction_that_contributes_nothing_is_passed_over() -> None:
    fold = Fold(aggregate=LEAST, of=lambda t: t.size, of_sql="size")
    assert fold.add(None, [transaction(1), transaction(2, 7), transaction(3, 5)]) == 5
    assert fold.add(None, [transaction(1)]) is None


def test_a_folds_sql_is_its_aggregate_over_its_contribution() -> None:
    fold = Fold(aggregate=LEAST, of=lambda t: t.size, of_sql="size")
    assert fold.sql == "coalesce(min(size), 0)"
