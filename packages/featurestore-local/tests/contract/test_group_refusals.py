from typing import Any

import pytest

from featurestore_support.account import FEATURES, Account, refusal

pytestmark = pytest.mark.integration

VECTOR = {"VectorConfig": {"Dimension": 3}}
IN_MEMORY = {"EnableOnlineStore": True, "StorageType": "InMemory"}


def refused(account: Account, **changes: Any) -> tuple[str, int]:
    request = account.group_request(**changes)
    return refusal(account.client("sagemaker").create_feature_group, **request)


def with_feature(account: Account, **feature: Any) -> list[dict[str, Any]]:
    definitions: list[dict[str, Any]] = account.group_request()["FeatureDefinitions"]
    return [*definitions, {"FeatureType": "Fractional"} | feature]


@pytest.mark.rule("G3", "G20")
@pytest.mark.parametrize("name", ["ends-in-a-hyphen-", "_begins", "x" * 65, "white space", "ü"])
def test_names_have_a_form(account: Account, name: str) -> None:
    assert refused(account, FeatureGroupName=name) == ("ValidationException", 400)
    definitions = with_feature(account, FeatureName=name)
    assert refused(account, FeatureDefinitions=definitions) == ("ValidationException", 400)


@pytest.mark.rule("G4")
@pytest.mark.parametrize("name", ["is_deleted", "write_time", "api_invocation_time"])
def test_the_names_of_the_offline_columns_are_reserved(account: Account, name: str) -> None:
    definitions = with_feature(account, FeatureName=name)
    assert refused(account, FeatureDefinitions=definitions) == ("ValidationException", 400)


@pytest.mark.rule("G5")
def test_a_group_has_up_to_2500_features_each_once(account: Account) -> None:
    twice = with_feature(account, FeatureName="fee")
    many = [{"FeatureName": f"f{number}", "FeatureType": "String"} for number in range(2497)]
    for definitions in (twice, account.group_request()["FeatureDefinitions"] + many):
        assert refused(account, FeatureDefinitions=definitions) == ("ValidationException", 400)


@pytest.mark.rule("G6", "G20")
@pytest.mark.parametrize(
    "changes",
    [
        {"RecordIdentifierFeatureName": "undefined"},
        {"EventTimeFeatureName": "undefined"},
        {"EventTimeFeatureName": "count"},
        {
            "FeatureDefinitions": [
                {"FeatureName": name, "FeatureType": "Integer"} for name in FEATURES
            ]
        },
    ],
    ids=["identifier", "event time", "event time's type", "feature type"],
)
def test_features_must_fit_together(account: Account, changes: dict[str, Any]) -> None:
    assert refused(account, **changes) == ("ValidationException", 400)


@pytest.mark.rule("G7")
def test_collections_are_for_in_memory_stores(account: Account) -> None:
    definitions = with_feature(account, FeatureName="words", CollectionType="List")
    assert refused(account, FeatureDefinitions=definitions) == ("ValidationException", 400)


@pytest.mark.rule("G7")
@pytest.mark.parametrize(
    "features",
    [
        [{"CollectionType": "Vector"}],
        [{"CollectionType": "List", "CollectionConfig": VECTOR}],
        [{"CollectionType": "Vector", "CollectionConfig": VECTOR, "FeatureType": "Integral"}],
        [{"CollectionType": "Vector", "CollectionConfig": {"VectorConfig": {"Dimension": 8193}}}],
        [{"CollectionType": "Vector", "CollectionConfig": VECTOR}] * 2,
    ],
    ids=["no dimension", "a list's", "whole numbers", "too long", "two"],
)
def test_a_vector_has_one_form(account: Account, features: list[dict[str, Any]]) -> None:
    definitions: list[dict[str, Any]] = account.group_request()["FeatureDefinitions"]
    definitions += [
        {"FeatureName": f"v{index}", "FeatureType": "Fractional"} | feature
        for index, feature in enumerate(features)
    ]
    changes = {"OnlineStoreConfig": IN_MEMORY, "OfflineStoreConfig": None}
    found = refused(account, FeatureDefinitions=definitions, **changes)
    assert found == ("ValidationException", 400)


@pytest.mark.rule("G8")
def test_a_group_needs_a_store(account: Account) -> None:
    for online in (None, {"EnableOnlineStore": False}):
        found = refused(account, OnlineStoreConfig=online, OfflineStoreConfig=None)
        assert found == ("ValidationException", 400)


@pytest.mark.rule("G10")
@pytest.mark.parametrize(
    "changes",
    [
        {"RoleArn": None},
        {"OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "bucket/folder"}}},
        {"OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": "s3://b"}, "TableFormat": "Iceberg"}},
        {
            "FeatureDefinitions": [
                {"FeatureName": name, "FeatureType": "String"} for name in FEATURES
            ],
            "OfflineStoreConfig": {
                "S3StorageConfig": {"S3Uri": "s3://b"},
                "TableFormat": "Iceberg",
                "DisableGlueTableCreation": True,
            },
        },
    ],
    ids=["no role", "no URI", "Iceberg by numbers", "Iceberg without table"],
)
def test_an_offline_store_has_needs(account: Account, changes: dict[str, Any]) -> None:
    assert refused(account, **changes) == ("ValidationException", 400)


@pytest.mark.rule("G12")
@pytest.mark.parametrize(
    "changes",
    [
        {"ThroughputConfig": {"ThroughputMode": "ON_DEMAND"}},
        {
            "ThroughputConfig": {"ThroughputMode": "Provisioned"},
            "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "Standard_V2"},
        },
    ],
)
def test_throughput_is_for_some_stores(account: Account, changes: dict[str, Any]) -> None:
    assert refused(account, **changes) == ("ValidationException", 400)


@pytest.mark.rule("G13")
@pytest.mark.parametrize(
    "changes",
    [
        {"Description": "x" * 129},
        {"Tags": [{"Key": str(number), "Value": "x"} for number in range(51)]},
        {"RoleArn": "a role that I made for it"},
    ],
    ids=["description", "tags", "role"],
)
def test_descriptions_tags_and_roles_have_limits(account: Account, changes: dict[str, Any]) -> None:
    assert refused(account, **changes) == ("ValidationException", 400)


@pytest.mark.rule("G19")
def test_an_in_memory_store_stands_alone(account: Account) -> None:
    assert refused(account, OnlineStoreConfig=IN_MEMORY) == ("ValidationException", 400)
