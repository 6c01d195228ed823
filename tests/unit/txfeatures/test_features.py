from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txfeatures import features
from txfeatures.errors import InvalidMessageError
from txfeatures.features import (
    EMPTY,
    EVENT_TIME,
    FEATURES,
    FOLDED,
    INTEGRAL_MAX,
    RECORD_IDENTIFIER,
    FeatureOverflowError,
    minute_name,
    minute_start_s,
)
from txfeatures.model import MAX_MONEY_SAT, Partial, Transaction

FIVE = {
    "tx_minute": "String",
    "total_nb_trx_1min": "Integral",
    "total_fee_1min": "Integral",
    "avg_fee_1min": "Fractional",
    "event_time": "Fractional",
}

minutes_s = st.integers(0, 4_000_000_000 // 60).map(lambda minute: minute * 60)
partials = st.builds(
    Partial,
    states=st.fixed_dictionaries({f.name: st.integers(0, 2**60) for f in FOLDED}),
    late=st.integers(0, 1000),
)


def transaction(fee: int) -> Transaction:
    return Transaction(hash="0" * 64, time=0, fee=fee)


def fold(*fees: int, late: int = 0) -> Partial:
    """Fold transactions; the last ``late`` of them came late."""
    on_time = len(fees) - late
    return reduce(
        lambda partial, item: features.fold(
            partial, transaction(item[1]), is_late=item[0] >= on_time
        ),
        enumerate(fees),
        EMPTY,
    )


def partial(count: int, fees: int) -> Partial:
    return Partial(states={"total_nb_trx_1min": count, "total_fee_1min": fees})


def test_the_names_and_types_that_models_use_are_as_they_were() -> None:
    declared = {feature.name: feature.type for feature in FEATURES}
    assert {name: declared[name] for name in FIVE} == FIVE
    assert (RECORD_IDENTIFIER, EVENT_TIME) == ("tx_minute", "event_time")


def test_feature_names_are_unique_and_each_says_what_it_means() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.description.endswith(".") for feature in FEATURES)


def test_a_fold_counts_transactions_their_fees_and_the_late_ones() -> None:
    assert fold(5, 7, 9, late=1) == Partial(
        states={"total_nb_trx_1min": 3, "total_fee_1min": 21}, late=1
    )


def test_the_largest_fee_ever_paid_and_more_are_summed_exactly() -> None:
    assert fold(29_124_090_000, 2**31, 1).states["total_fee_1min"] == 31_271_573_649


def test_merging_nothing_is_an_empty_minute() -> None:
    assert features.merge([]) == EMPTY


@given(a=partials, b=partials, c=partials)
def test_merging_is_associative_and_commutative_and_empty_is_neutral(
    a: Partial, b: Partial, c: Partial
) -> None:
    merge = features.merge
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])]) == merge([a, b, c])
    assert merge([a, b]) == merge([b, a])
    assert merge([a, EMPTY]) == a


@given(fees=st.lists(st.integers(0, MAX_MONEY_SAT), max_size=20), cut=st.integers(0, 20))
def test_folding_in_parts_and_merging_equals_folding_at_once(fees: list[int], cut: int) -> None:
    assert features.merge([fold(*fees[:cut]), fold(*fees[cut:])]) == fold(*fees)


def test_a_total_of_exactly_64_bits_is_kept_and_one_more_is_refused() -> None:
    full = features.fold(partial(1, INTEGRAL_MAX - 1), transaction(1), is_late=False)
    assert full.states["total_fee_1min"] == INTEGRAL_MAX
    with pytest.raises(FeatureOverflowError, match="total_fee_1min = 9223372036854775808 needs"):
        features.fold(full, transaction(1), is_late=False)
    with pytest.raises(FeatureOverflowError) as caught:
        features.merge([full, partial(1, 1)])
    assert caught.value.reason == "feature_overflow"


def test_a_row_has_every_feature_in_the_declared_order() -> None:
    row = features.row(
        fold(1, 2, late=1),
        minute_s=1_729_334_940,
        event_time_ms=1_729_335_001_001,
        revision=3,
        is_final=True,
        gaps=2,
    )
    assert list(row) == [feature.name for feature in FEATURES]
    assert row == {
        "tx_minute": "2024-10-19 10:49:00",
        "total_nb_trx_1min": 2,
        "total_fee_1min": 3,
        "avg_fee_1min": 1.5,
        "revision": 3,
        "is_final": 1,
        "nb_late_trx_1min": 1,
        "nb_gaps_1min": 2,
        "event_time": 1_729_335_001.001,
    }


def test_values_of_a_row_have_their_declared_types() -> None:
    python = {"Integral": int, "Fractional": float, "String": str}
    row = features.row(EMPTY, minute_s=0, event_time_ms=2_000, revision=1, is_final=False, gaps=0)
    assert all(type(row[f.name]) is python[f.type] for f in FEATURES)


def test_the_average_of_an_empty_minute_is_zero() -> None:
    row = features.row(EMPTY, minute_s=0, event_time_ms=0, revision=1, is_final=True, gaps=0)
    assert (row["avg_fee_1min"], row["is_final"]) == (0.0, 1)


@given(minute_s=minutes_s)
def test_a_minutes_name_is_read_back(minute_s: int) -> None:
    assert minute_start_s(minute_name(minute_s)) == minute_s


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("2024-10-19 10:49", "YYYY-MM-DD HH:MM:SS"),
        ("2024-10-19T10:49:00Z", "YYYY-MM-DD HH:MM:SS"),
        ("2024-13-19 10:49:00", "YYYY-MM-DD HH:MM:SS"),
        ("", "YYYY-MM-DD HH:MM:SS"),
        ("2024-10-19 10:49:01", "not the start of a minute"),
        ("2024-10-19 1:49:00", "not the start of a minute"),
    ],
)
def test_what_is_not_a_minute_is_refused_in_a_sentence(name: str, why: str) -> None:
    with pytest.raises(InvalidMessageError, match=why) as caught:
        minute_start_s(name)
    assert caught.value.reason == "bad_minute"
    assert repr(name) in caught.value.detail
