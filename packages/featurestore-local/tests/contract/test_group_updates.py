from typing import Any

import pytest

from featurestore_support.account import Account, refusal

pytestmark = pytest.mark.integration

SHARE = {"FeatureName": "share", "FeatureType": "Fractional"}


@pytest.mark.rule("G14")
def test_features_are_added_after_a_while_and_can_then_be_put(
    account: Account, record_id: str
) -> None:
    group = account.group(OfflineStoreConfig=None)
    control = account.client("sagemaker")
    assert "LastUpdateStatus" not in control.describe_feature_group(FeatureGroupName=group)
    control.update_feature_group(FeatureGroupName=group, FeatureAdditions=[SHARE])
    described = control.describe_feature_group(FeatureGroupName=group)
    assert described["LastUpdateStatus"]["Status"] == "InProgress"
    settled = account.settled(group)
    assert settled["LastUpdateStatus"]["Status"] == "Successful"
    assert settled["FeatureDefinitions"][-1] == SHARE
    account.put(group, record_id, share=0.25)
    assert account.online(group, record_id)["share"] == "0.25"


@pytest.mark.rule("G14")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"FeatureAdditions": [SHARE], "OnlineStoreConfig": {"StorageType": "Standard_V2"}},
        {"FeatureAdditions": [{"FeatureName": "fee", "FeatureType": "String"}]},
        {
            "FeatureAdditions": [
                {"FeatureName": f"f{number}", "FeatureType": "String"} for number in range(101)
            ]
        },
    ],
    ids=["nothing", "two things", "another type", "101 features"],
)
def test_an_update_changes_one_thing_and_no_feature(
    account: Account, both: str, changes: dict[str, Any]
) -> None:
    update = account.client("sagemaker").update_feature_group
    assert refusal(update, FeatureGroupName=both, **changes) == ("ValidationException", 400)


@pytest.mark.rule("G9")
def test_a_standard_store_becomes_standard_v2_for_good(account: Account, record_id: str) -> None:
    group = account.group(OfflineStoreConfig=None)
    account.put(group, record_id)
    update = account.client("sagemaker").update_feature_group
    update(FeatureGroupName=group, OnlineStoreConfig={"StorageType": "Standard_V2"})
    assert account.settled(group)["OnlineStoreConfig"]["StorageType"] == "Standard_V2"
    assert account.online(group, record_id) != {}
    for kind in ("Standard", "InMemory"):
        params = {"FeatureGroupName": group, "OnlineStoreConfig": {"StorageType": kind}}
        assert refusal(update, **params) == ("ValidationException", 400)


@pytest.mark.rule("O9", "G14")
def test_features_that_were_added_are_null_in_older_rows(account: Account, record_id: str) -> None:
    group = account.group()
    account.put(group, record_id, count=1)
    account.offline_rows(group, record_id, 1)
    control = account.client("sagemaker")
    control.update_feature_group(FeatureGroupName=group, FeatureAdditions=[SHARE])
    account.settled(group)
    account.put(group, record_id, 1_800_000_000, share=0.5)
    account.offline_rows(group, record_id, 2)
    sql = f'SELECT "count", share FROM {account.table(group)} ORDER BY event_time'
    assert account.rows(sql) == [["1", None], [None, "0.5"]]


@pytest.mark.rule("G12")
def test_throughput_becomes_on_demand_once_a_day(account: Account) -> None:
    group = account.group(OfflineStoreConfig=None)
    update = account.client("sagemaker").update_feature_group
    provisioned = {
        "ThroughputMode": "Provisioned",
        "ProvisionedReadCapacityUnits": 1,
        "ProvisionedWriteCapacityUnits": 1,
    }
    for config in (provisioned, {"ThroughputMode": "OnDemand"}, provisioned):
        update(FeatureGroupName=group, ThroughputConfig=config)
        account.settled(group)
    params = {"FeatureGroupName": group, "ThroughputConfig": {"ThroughputMode": "OnDemand"}}
    assert refusal(update, **params) == ("ValidationException", 400)
