from txfeatures.domain.features import (
    DERIVED,
    EVENT_TIME,
    FEATURES,
    FOLDED,
    FOLDS,
    RECORD_IDENTIFIER,
    REQUIRED,
)

FIVE = {
    "tx_minute": "String",
    "total_nb_trx_1min": "Integral",
    "total_fee_1min": "Integral",
    "avg_fee_1min": "Fractional",
    "event_time": "Fractional",
}


def test_the_names_and_types_that_models_use_are_as_they_were() -> None:
    declared = {feature.name: feature.type for feature in FEATURES}
    assert {name: declared[name] for name in FIVE} == FIVE
    assert (RECORD_IDENTIFIER, EVENT_TIME) == ("tx_minute", "event_time")


def test_every_feature_of_the_first_release_is_declared_and_required() -> None:
    assert FIVE.keys() < REQUIRED < {feature.name for feature in FEATURES}


def test_feature_names_are_unique_and_each_says_what_it_means() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.description.endswith(".") for feature in FEATURES)


def test_only_quantiles_have_an_error() -> None:
    assert [feature.name for feature in FEATURES if feature.error] == [
        "fee_rate_p10_1min",
        "fee_rate_p50_1min",
        "fee_rate_p90_1min",
    ]


def test_what_is_folded_is_integral_and_what_is_derived_fractional() -> None:
    assert {feature.type for feature in FOLDED} == {"Integral"}
    assert {feature.type for feature in DERIVED} == {"Fractional"}
    assert {feature.name for feature in FOLDED} < FOLDS.keys()


def test_every_feature_made_of_transactions_has_its_sql() -> None:
    assert all(feature.sql for feature in FOLDED)
    assert all(feature.sql for feature in DERIVED)
