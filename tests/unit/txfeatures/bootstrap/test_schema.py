from typing import Any

import pytest
from botocore.model import StructureShape
from botocore.session import get_session
from featurestore_local.validation import check

from tests.support.declared import FEATURES
from txfeatures.bootstrap.schema import compare, request, unit
from txfeatures.process.settings import AwsSettings

GLUE = AwsSettings()
ICEBERG = AwsSettings(table_format="iceberg")


def found(settings: AwsSettings = GLUE, **changes: Any) -> Any:
    """Return the description of a group created by ``request``."""
    return {**request(settings, features=FEATURES)} | changes


def check_against_the_model(operation: str, params: dict[str, Any]) -> None:
    model = get_session().get_service_model("sagemaker").operation_model(operation)
    assert isinstance(model.input_shape, StructureShape)
    check(params, model.input_shape, "ValidationException")


@pytest.mark.parametrize("settings", [GLUE, ICEBERG])
def test_the_request_keeps_to_the_model_of_the_service(settings: AwsSettings) -> None:
    check_against_the_model("CreateFeatureGroup", {**request(settings, features=FEATURES)})


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_what_is_said_of_each_feature_keeps_to_the_model_of_the_service(feature: Any) -> None:
    params = {
        "FeatureGroupName": GLUE.feature_group,
        "FeatureName": feature.name,
        "Description": feature.description,
    }
    if value := unit(feature, GLUE):
        params["ParameterAdditions"] = [{"Key": "unit", "Value": value}]
    check_against_the_model("UpdateFeatureMetadata", params)


def test_the_event_time_is_a_text_in_an_iceberg_table_alone() -> None:
    for settings, kind in ((GLUE, "Fractional"), (ICEBERG, "String")):
        types = {
            d["FeatureName"]: d["FeatureType"]
            for d in request(settings, features=FEATURES)["FeatureDefinitions"]
        }
        assert types["event_time"] == kind
    event_time = next(feature for feature in FEATURES if feature.name == "event_time")
    assert (unit(event_time, GLUE), unit(event_time, ICEBERG)) == ("epoch seconds", "ISO-8601 UTC")


def test_a_group_as_declared_has_no_differences() -> None:
    for settings in (GLUE, ICEBERG):
        comparison = compare(found(settings), settings, features=FEATURES)
        assert (comparison.conflicts, comparison.missing, comparison.undeclared) == ([], [], [])


def test_features_are_missing_or_no_longer_declared() -> None:
    definitions = request(GLUE, features=FEATURES)["FeatureDefinitions"]
    other = {"FeatureName": "x", "FeatureType": "String"}
    comparison = compare(
        found(FeatureDefinitions=[*definitions[:-1], other]), GLUE, features=FEATURES
    )
    assert comparison.conflicts == []
    assert comparison.missing == definitions[-1:]
    assert comparison.undeclared == ["x"]


@pytest.mark.parametrize(
    ("change", "conflict"),
    [
        (
            {"FeatureDefinitions": [{"FeatureName": "revision", "FeatureType": "String"}]},
            "revision is String, declared Integral",
        ),
        (
            {"RecordIdentifierFeatureName": "minute"},
            "record identifier is minute, declared tx_minute",
        ),
        ({"EventTimeFeatureName": "time"}, "event time is time, declared event_time"),
        (
            {"OfflineStoreConfig": {"TableFormat": "Iceberg"}},
            "table format is iceberg, declared glue",
        ),
        (
            {"OfflineStoreConfig": None},
            "table format is missing: no offline store, declared glue",
        ),
    ],
)
def test_what_can_not_be_reconciled_is_said(change: dict[str, Any], conflict: str) -> None:
    group = {name: value for name, value in found(**change).items() if value is not None}
    assert compare(group, GLUE, features=FEATURES).conflicts == [conflict]  # type: ignore[arg-type]


def test_the_default_format_is_glue() -> None:
    assert (
        compare(
            found(OfflineStoreConfig={"TableFormat": "Default"}), GLUE, features=FEATURES
        ).conflicts
        == []
    )


def test_both_stores_are_encrypted_with_the_key_that_is_set() -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    found = request(AwsSettings(kms_key_arn=key), FEATURES)
    assert found["OnlineStoreConfig"]["SecurityConfig"] == {"KmsKeyId": key}
    assert found["OfflineStoreConfig"]["S3StorageConfig"]["KmsKeyId"] == key
    assert "SecurityConfig" not in request(AwsSettings(), FEATURES)["OnlineStoreConfig"]
