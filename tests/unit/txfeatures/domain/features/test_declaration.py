from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import declared
from tests.support.declared import COMPUTED, EMPTY, FEATURES
from txfeatures.domain.features import INTEGRAL_MAX, FeatureOverflowError, read
from txfeatures.domain.features.kinds import OVERFLOWED
from txfeatures.domain.features.quality import AFTER, BEFORE
from txfeatures.domain.features.reading import default_text
from txfeatures.domain.model import MAX_MONEY_SAT, Output, Partial, Row, Transaction

transactions = st.lists(
    st.builds(
        Transaction,
        hash=st.just("0" * 64),
        time=st.just(0),
        fee=st.integers(0, MAX_MONEY_SAT),
        size=st.none() | st.integers(1, 4_000_000),
        weight=st.none() | st.integers(1, 4_000_000),
        rbf=st.none() | st.booleans(),
        out=st.none() | st.lists(st.builds(Output, value=st.integers(0, MAX_MONEY_SAT))),
    ),
    max_size=20,
)


def transaction(fee: int, **rest: Any) -> Transaction:
    return Transaction(hash="0" * 64, time=0, fee=fee, **rest)


def folded(*fees: int, late: int = 0) -> Partial:
    return declared.fold(EMPTY, [transaction(fee) for fee in fees], late=late)


def row_of(partial: Partial) -> Row:
    return declared.row(
        partial,
        minute_s=1_729_334_940,
        event_time_ms=1_729_335_001_001,
        revision=3,
        is_final=True,
        gaps=2,
    )


def test_a_fold_counts_transactions_their_fees_and_the_late_ones() -> None:
    found = folded(5, 7, 9, late=1)
    assert found.states["total_nb_trx_1min"] == 3
    assert found.states["total_fee_1min"] == 21
    assert (found.states["min_fee_1min"], found.states["max_fee_1min"]) == (5, 9)
    assert found.late == 1


def test_the_largest_fee_ever_paid_and_more_are_summed_exactly() -> None:
    assert folded(29_124_090_000, 2**31, 1).states["total_fee_1min"] == 31_271_573_649


def test_merging_nothing_is_an_empty_minute() -> None:
    assert declared.merge([]) == EMPTY


@given(a=transactions, b=transactions, c=transactions)
def test_merging_is_associative_and_commutative_and_empty_is_neutral(
    a: list[Transaction], b: list[Transaction], c: list[Transaction]
) -> None:
    merge = declared.merge
    x, y, z = (declared.fold(EMPTY, found, late=len(found) // 2) for found in (a, b, c))
    assert merge([merge([x, y]), z]) == merge([x, merge([y, z])]) == merge([x, y, z])
    assert merge([x, y]) == merge([y, x])
    assert merge([x, EMPTY]) == x


@given(found=transactions, cut=st.integers(0, 20))
def test_folding_in_parts_or_merging_equals_folding_at_once(
    found: list[Transaction], cut: int
) -> None:
    once = declared.fold(EMPTY, found)
    first, rest = declared.fold(EMPTY, found[:cut]), found[cut:]
    assert declared.fold(first, rest) == once
    assert declared.merge([first, declared.fold(EMPTY, rest)]) == once


def test_a_transaction_of_which_only_the_fee_is_known_counts_and_adds_nothing_else() -> None:
    row = row_of(
        declared.fold(
            EMPTY,
            [
                transaction(100),
                transaction(300, size=90, weight=201, rbf=True, out=[Output(value=4)]),
            ],
        )
    )
    assert row["total_nb_trx_1min"] == 2
    assert row["total_vsize_1min"] == 51
    assert row["total_output_value_1min"] == 4
    assert row["rbf_share_1min"] == 0.5
    assert row["fee_rate_p10_1min"] == row["fee_rate_p90_1min"] == pytest.approx(300 / 51, rel=0.01)


def test_a_total_of_exactly_64_bits_is_kept_and_one_more_is_said_aloud() -> None:
    almost = Partial(states={"total_nb_trx_1min": 1, "total_fee_1min": INTEGRAL_MAX - 1})
    full = declared.fold(almost, [transaction(1)])
    assert row_of(full)["total_fee_1min"] == INTEGRAL_MAX
    beyond = declared.fold(full, [transaction(1), transaction(1)])
    assert beyond.states["total_fee_1min"] == OVERFLOWED
    for partial in (beyond, declared.merge([full, full])):
        with pytest.raises(
            FeatureOverflowError, match="total_fee_1min of 2024-10-19 10:49:00 needs"
        ) as caught:
            row_of(partial)
        assert caught.value.reason == "feature_overflow"


def test_a_feature_whose_fold_is_not_whole_is_null_and_the_others_are_not() -> None:
    old = Partial(states={"total_nb_trx_1min": 2, "total_fee_1min": 30}, late=1)
    row = row_of(declared.fold(old, [transaction(10, weight=400)]))
    assert (row["total_nb_trx_1min"], row["total_fee_1min"], row["avg_fee_1min"]) == (3, 40, 40 / 3)
    assert row.keys() == {
        *("total_nb_trx_1min", "total_fee_1min", "avg_fee_1min"),
        *(feature.name for feature in (*BEFORE, *AFTER)),
    }
    assert row["nb_late_trx_1min"] == 1


def test_states_of_another_declaration_are_passed_over() -> None:
    newer = Partial(states={"total_nb_trx_1min": 2, "new": 7}, sketches={"newer": {1: 1}})
    found = declared.merge([newer])
    assert found == Partial(states={"total_nb_trx_1min": 2})


def test_a_fold_that_one_partition_lacks_is_not_whole() -> None:
    whole, part = folded(1, 2), Partial(states={"total_nb_trx_1min": 1})
    for partials in ([whole, part], [part, whole], [whole, EMPTY, part]):
        assert declared.merge(partials).states == {"total_nb_trx_1min": 3}
    assert declared.merge([EMPTY, whole, EMPTY]) == whole


def test_a_row_has_every_feature_in_the_declared_order() -> None:
    row = row_of(folded(1, 2, late=1))
    assert list(row) == [feature.name for feature in FEATURES]
    assert row == {
        "tx_minute": "2024-10-19 10:49:00",
        "total_nb_trx_1min": 2,
        "total_fee_1min": 3,
        "avg_fee_1min": 1.5,
        "min_fee_1min": 1,
        "max_fee_1min": 2,
        "fee_rate_p10_1min": 0.0,
        "fee_rate_p50_1min": 0.0,
        "fee_rate_p90_1min": 0.0,
        "total_vsize_1min": 0,
        "total_output_value_1min": 0,
        "rbf_share_1min": 0.0,
        "revision": 3,
        "is_final": 1,
        "nb_late_trx_1min": 1,
        "nb_gaps_1min": 2,
        "event_time": 1_729_335_001.001,
    }


@given(found=transactions)
def test_values_of_a_row_have_their_declared_types(found: list[Transaction]) -> None:
    python = {"Integral": int, "Fractional": float, "String": str}
    row = row_of(declared.fold(EMPTY, found))
    assert {f.name: type(row[f.name]) for f in FEATURES} == {
        f.name: python[f.type] for f in FEATURES
    }


def test_a_minute_without_transactions_is_all_zeros() -> None:
    row = row_of(EMPTY)
    assert {row[name] for name in COMPUTED} == {0}


def test_an_upgrade_in_mid_minute_keeps_what_both_declare_and_leaves_new_features_null() -> None:
    text = default_text()
    before = read(text.replace("where: rbf", "where: NOT rbf"), name="before.yaml")
    partial = before.fold(EMPTY, [transaction(7, weight=400, rbf=True)])
    row = row_of(declared.fold(partial, [transaction(5, weight=800, rbf=True)]))
    assert "rbf_share_1min" not in row
    assert (row["total_nb_trx_1min"], row["total_fee_1min"], row["max_fee_1min"]) == (2, 12, 7)
    assert row["fee_rate_p90_1min"] == pytest.approx(0.07, abs=0.001)
    assert row.keys() == {feature.name for feature in FEATURES} - {"rbf_share_1min"}
