from typing import Any

import pytest

from featurestore_local.errors import AwsError
from featurestore_local.model import FeatureGroup
from featurestore_local.registry import GroupState
from featurestore_local.schema import describe, read_features, read_group, updated_group

OFFLINE = {"S3StorageConfig": {"S3Uri": "s3://bucket/prefix/"}}
ROLE = "arn:aws:iam::123456789012:role/writer"


def request(**changes: Any) -> dict[str, Any]:
    names = {"id": "String", "time": "Fractional", "when": "String"}
    whole = {
        "FeatureGroupName": "My-Group",
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": [{"FeatureName": n, "FeatureType": t} for n, t in names.items()],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
    }
    return whole | changes


def read(**changes: Any) -> FeatureGroup:
    return read_group(request(**changes), account="1", region="r", created_at_s=1700.5)


def described(group: FeatureGroup) -> dict[str, Any]:
    return describe(GroupState(group=group, settles_at_s=0.0, modified_at_s=1701.0))


def test_the_offline_store_lies_where_aws_puts_it() -> None:
    config = described(read(OfflineStoreConfig=OFFLINE, RoleArn=ROLE))["OfflineStoreConfig"]
    assert config == {
        "S3StorageConfig": {
            "S3Uri": "s3://bucket/prefix/",
            "ResolvedOutputS3Uri": (
                "s3://bucket/prefix/1/sagemaker/r/offline-store/My-Group-1700/data"
            ),
        },
        "DisableGlueTableCreation": False,
        "TableFormat": "Default",
        "DataCatalogConfig": {
            "Catalog": "AwsDataCatalog",
            "Database": "sagemaker_featurestore",
            "TableName": "my_group_1700",
        },
    }


def test_a_catalog_of_ones_own_is_kept() -> None:
    named = {"Catalog": "AwsDataCatalog", "Database": "mine", "TableName": "t"}
    group = read(OfflineStoreConfig=OFFLINE | {"DataCatalogConfig": named}, RoleArn=ROLE)
    assert described(group)["OfflineStoreConfig"]["DataCatalogConfig"] == named


def test_an_unwanted_glue_table_is_not_described() -> None:
    group = read(OfflineStoreConfig=OFFLINE | {"DisableGlueTableCreation": True}, RoleArn=ROLE)
    config = described(group)["OfflineStoreConfig"]
    assert config["DisableGlueTableCreation"]
    assert "DataCatalogConfig" not in config


def test_what_is_not_there_is_not_described() -> None:
    found = described(read())
    assert found["OnlineStoreConfig"] == {"EnableOnlineStore": True, "StorageType": "Standard"}
    absent = {"OfflineStoreConfig", "OfflineStoreStatus", "RoleArn", "LastUpdateStatus"}
    assert absent.isdisjoint(found)


def test_a_disabled_online_store_is_none() -> None:
    group = read(
        OnlineStoreConfig={"EnableOnlineStore": False}, OfflineStoreConfig=OFFLINE, RoleArn=ROLE
    )
    assert group.online is None


def test_a_blocked_offline_store_says_why() -> None:
    group = read(OfflineStoreConfig=OFFLINE, RoleArn=ROLE)
    state = GroupState(group=group, settles_at_s=0.0, modified_at_s=0.0, blocked_reason="no bucket")
    status = describe(state)["OfflineStoreStatus"]
    assert status == {"Status": "Blocked", "BlockedReason": "no bucket"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"OnlineStoreConfig": {}}, "OnlineStoreConfig, an OfflineStoreConfig or both"),
        ({"OfflineStoreConfig": OFFLINE}, "needs a RoleArn"),
        ({"EventTimeFeatureName": "other"}, r"\[other\] is required"),
        (
            {"OfflineStoreConfig": OFFLINE | {"TableFormat": "Iceberg"}, "RoleArn": ROLE},
            "event time of type String",
        ),
        (
            {
                "OfflineStoreConfig": OFFLINE
                | {"TableFormat": "Iceberg", "DisableGlueTableCreation": True},
                "RoleArn": ROLE,
                "EventTimeFeatureName": "when",
            },
            "needs a Glue table",
        ),
        (
            {
                "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "InMemory"},
                "OfflineStoreConfig": OFFLINE,
                "RoleArn": ROLE,
            },
            "InMemory",
        ),
        (
            {
                "OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "Standard_V2"},
                "ThroughputConfig": {"ThroughputMode": "Provisioned"},
            },
            "Provisioned",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AwsError, match=complaint) as caught:
        read(**changes)
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"FeatureName": "write_time", "FeatureType": "String"}, "reserved"),
        ({"FeatureName": "a", "FeatureType": "String"}, "more than once"),
    ],
)
def test_definitions_that_can_not_be_are_refused(
    definition: dict[str, str], complaint: str
) -> None:
    present = read_features({}, [{"FeatureName": "a", "FeatureType": "String"}])
    with pytest.raises(AwsError, match=complaint):
        read_features(present, [definition])


def test_a_group_has_at_most_2500_features() -> None:
    definitions = [{"FeatureName": f"f{i}", "FeatureType": "String"} for i in range(2501)]
    with pytest.raises(AwsError, match="at most 2500"):
        read_features({}, definitions)


def test_an_update_changes_exactly_one_thing() -> None:
    addition = [{"FeatureName": "new", "FeatureType": "Integral"}]
    assert list(updated_group(read(), {"FeatureAdditions": addition}).features)[-1] == "new"
    ttl = {"TtlDuration": {"Unit": "Days", "Value": 2}}
    online = updated_group(read(), {"OnlineStoreConfig": ttl}).online
    assert online is not None
    assert online.ttl is not None
    assert online.ttl.duration_s == 2 * 86_400
    with pytest.raises(AwsError, match="exactly one"):
        updated_group(read(), {"FeatureAdditions": addition, "OnlineStoreConfig": ttl})
    with pytest.raises(AwsError, match="exactly one"):
        updated_group(read(), {"FeatureGroupName": "x"})


def test_the_storage_type_changes_one_way_only() -> None:
    group = updated_group(read(), {"OnlineStoreConfig": {"StorageType": "Standard_V2"}})
    assert described(group)["OnlineStoreConfig"]["StorageType"] == "Standard_V2"
    with pytest.raises(AwsError, match="can't change from Standard_V2"):
        updated_group(group, {"OnlineStoreConfig": {"StorageType": "Standard"}})


def test_throughput_is_kept_and_described() -> None:
    mode = {"ThroughputMode": "Provisioned", "ProvisionedReadCapacityUnits": 5}
    group = updated_group(read(), {"ThroughputConfig": mode})
    assert described(group)["ThroughputConfig"] == mode


def test_collections_are_described_as_they_were_defined() -> None:
    vector = {
        "FeatureName": "v",
        "FeatureType": "Fractional",
        "CollectionType": "Vector",
        "CollectionConfig": {"VectorConfig": {"Dimension": 3}},
    }
    definitions = [*request()["FeatureDefinitions"], vector]
    online = {"EnableOnlineStore": True, "StorageType": "InMemory"}
    group = read(FeatureDefinitions=definitions, OnlineStoreConfig=online)
    assert described(group)["FeatureDefinitions"] == definitions


@pytest.mark.parametrize(
    ("definition", "complaint"),
    [
        ({"CollectionType": "List"}, "InMemory"),
        ({"CollectionType": "Vector"}, "needs a VectorConfig, which"),
        ({"CollectionConfig": {"VectorConfig": {"Dimension": 3}}}, "needs a VectorConfig, which"),
        (
            {
                "CollectionType": "Vector",
                "CollectionConfig": {"VectorConfig": {"Dimension": 3}},
                "FeatureType": "String",
            },
            "Fractional",
        ),
    ],
)
def test_collections_that_can_not_be_are_refused(
    definition: dict[str, Any], complaint: str
) -> None:
    definitions = request()["FeatureDefinitions"]
    definitions.append({"FeatureName": "c", "FeatureType": "Fractional"} | definition)
    with pytest.raises(AwsError, match=complaint):
        read(FeatureDefinitions=definitions)


def test_collections_can_be_added_to_an_in_memory_group_alone() -> None:
    added = [{"FeatureName": "c", "FeatureType": "String", "CollectionType": "Set"}]
    online = {"EnableOnlineStore": True, "StorageType": "InMemory"}
    group = updated_group(read(OnlineStoreConfig=online), {"FeatureAdditions": added})
    assert group.collections["c"].kind == "Set"
    with pytest.raises(AwsError, match="InMemory"):
        updated_group(read(), {"FeatureAdditions": added})
