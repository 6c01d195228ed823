from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import oracle
from txfeatures.domain.features import sketch

numbers = st.integers(0, sketch.LARGEST)
many = st.lists(st.one_of(numbers, st.integers(0, 100_000)), max_size=60)


PERCENTS = (10, 50, 90)

bucket: Callable[[int], int] = eval(f"lambda number: {sketch.bucket_source('number')}")


def of(*found: int) -> sketch.Sketch:
    return dict(Counter(map(bucket, found)))


@given(low=numbers, high=numbers)
def test_buckets_keep_the_order_of_the_numbers(low: int, high: int) -> None:
    low, high = sorted((low, high))
    assert bucket(low) <= bucket(high)


@given(number=numbers)
def test_a_bucket_stands_for_each_of_its_numbers_within_the_error(number: int) -> None:
    # The rate is anywhere from the whole number up to the next.
    for true in (number, number + 1):
        error = abs(sketch.middle(bucket(number)) - true)
        assert error <= max(true * sketch.RELATIVE_ERROR, 1 if number == 0 else 0.5)


def test_no_bucket_is_left_out_and_there_are_2048() -> None:
    edges = sorted({(64 + m) << shift for shift in range(31) for m in range(64)} | {*range(64)})
    assert [bucket(edge) for edge in edges] == [*range(2048)]
    assert [bucket(edge - 1) for edge in edges[1:]] == [*range(2047)]


def test_what_is_beyond_the_largest_counts_as_the_largest() -> None:
    assert bucket(10**30) == bucket(sketch.LARGEST) == 2047


def test_zero_is_told_exactly() -> None:
    assert sketch.quantile(of(0, 0, 0, 7), 50) == 0.0


def test_the_quantiles_of_nothing_are_zero() -> None:
    assert sketch.quantile(sketch.EMPTY, 50) == 0.0


@pytest.mark.parametrize(
    ("percent", "expected"), [(10, 1.5), (50, 5.5), (51, 6.5), (90, 9.5), (100, 10.5)]
)
def test_a_quantile_is_the_one_of_the_nearest_rank(percent: int, expected: float) -> None:
    assert sketch.quantile(of(*range(1, 11)), percent) == expected


@given(found=many, percent=st.sampled_from(PERCENTS))
def test_a_quantile_is_within_the_error_of_the_exact_one(found: list[int], percent: int) -> None:
    true = oracle.at_least(sorted(map(Fraction, found)), percent)
    error = abs(Fraction(sketch.quantile(of(*found), percent)) - true)
    assert error <= max(true * Fraction(sketch.RELATIVE_ERROR), Fraction(1, 2))


@given(a=many, b=many, c=many)
def test_merging_in_any_order_is_counting_at_once(a: list[int], b: list[int], c: list[int]) -> None:
    once = of(*a, *b, *c)
    assert sketch.merge(sketch.merge(of(*a), of(*b)), of(*c)) == once
    assert sketch.merge(of(*c), sketch.merge(of(*b), of(*a))) == once


def test_what_was_given_is_not_changed() -> None:
    left, right = of(1), of(1, 2)
    sketch.merge(left, right)
    assert (left, right) == ({1: 1}, {1: 1, 2: 1})


def test_sql_finds_the_same_bucket_at_every_edge() -> None:
    edges = {(64 + m) << shift for shift in range(31) for m in range(64)}
    near = sorted({edge + step for edge in edges for step in (-1, 0, 1)} | {0, 1, 2**60})
    with duckdb.connect() as engine:
        found = engine.execute(
            f"SELECT n, {sketch.bucket_sql('n')} FROM unnest(?::BIGINT[]) t(n)", [near]
        ).fetchall()
    assert found == [(n, bucket(n)) for n in near]


@settings(max_examples=30, deadline=None)
@given(found=many.filter(len), percent=st.integers(1, 99))
def test_sql_finds_the_same_quantile(found: list[int], percent: int) -> None:
    buckets = f"(SELECT {sketch.buckets_sql('n', [percent])} AS b FROM unnest(?::BIGINT[]) t(n))"
    with duckdb.connect(config={"threads": 1}) as engine:
        answer = engine.execute(
            f"SELECT {sketch.middle_sql('b[1]::BIGINT')} FROM {buckets}", [found]
        ).fetchall()
    assert answer == [(sketch.quantile(of(*found), percent),)]


@pytest.mark.parametrize("count", [1, 2, 9, 10, 11, 99, 100, 101, 1000, 12_345])
def test_sql_takes_the_same_rank_of_any_number_of_transactions(count: int) -> None:
    with duckdb.connect(config={"threads": 1}) as engine:
        # Below 128 each number has a bucket of its own, here spread over the ranks.
        scaled = f"(SELECT n * 128 // {count} AS n FROM range({count}) t(n))"
        row = engine.execute(f"SELECT {sketch.buckets_sql('n', PERCENTS)} FROM {scaled}").fetchone()
    found = of(*(n * 128 // count for n in range(count)))
    ranks = [-(-percent * count // 100) for percent in PERCENTS]
    assert row == ([(rank - 1) * 128 // count for rank in ranks],)
    assert [sketch.middle(b) for b in row[0]] == [
        sketch.quantile(found, percent) for percent in PERCENTS
    ]
