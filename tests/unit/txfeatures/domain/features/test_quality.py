from tests.support.declared import DEFAULT, FEATURES
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, REQUIRED
from txfeatures.domain.features.quality import ALWAYS

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


def test_the_columns_of_every_row_are_among_the_shipped_ones() -> None:
    declared = {feature.name: feature.type for feature in FEATURES}
    assert {feature.name: declared[feature.name] for feature in ALWAYS} == {
        feature.name: feature.type for feature in ALWAYS
    }
    assert {feature.name for feature in ALWAYS} == REQUIRED


def test_feature_names_are_unique_and_each_says_what_it_means() -> None:
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)
    assert all(feature.description.endswith(".") for feature in FEATURES)


def test_only_quantiles_have_an_error() -> None:
    assert [feature.name for feature in FEATURES if feature.error] == [
        "fee_rate_p10_1min",
        "fee_rate_p50_1min",
        "fee_rate_p90_1min",
    ]


def test_the_shipped_features_mean_what_they_did() -> None:
    assert {feature.name: feature.meaning for feature in DEFAULT.computed} == {
        "total_nb_trx_1min": "count()",
        "total_fee_1min": "sum(fee)",
        "avg_fee_1min": "total_fee / total_nb_trx WITH total_fee = sum(fee), "
        "total_nb_trx = count()",
        "min_fee_1min": "min(fee)",
        "max_fee_1min": "max(fee)",
        "fee_rate_p10_1min": "10 % of sketch((fee * 1000) // vsize) / 1000",
        "fee_rate_p50_1min": "50 % of sketch((fee * 1000) // vsize) / 1000",
        "fee_rate_p90_1min": "90 % of sketch((fee * 1000) // vsize) / 1000",
        "total_vsize_1min": "sum(vsize)",
        "total_output_value_1min": "sum(output_value)",
        "rbf_share_1min": "count() WHERE rbf / count()",
    }


def test_states_have_the_keys_that_they_had_before_declarations_were_files() -> None:
    assert set(DEFAULT.folds) == {
        *("total_nb_trx_1min", "total_fee_1min", "min_fee_1min", "max_fee_1min"),
        *("total_vsize_1min", "total_output_value_1min", "nb_rbf", "fee_rates"),
    }
