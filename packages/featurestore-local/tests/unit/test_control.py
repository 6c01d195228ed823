from typing import Any

import pytest
from botocore.exceptions import ClientError

from featurestore_local.clock import ManualClock
from featurestore_local.control import ControlPlane, is_about_other_resource
from featurestore_local.errors import AwsError
from featurestore_local.model import FeatureGroup
from featurestore_local.registry import Registry


class Tables:
    def __init__(self) -> None:
        self.put: list[FeatureGroup] = []
        self.is_up = True

    def __call__(self, group: FeatureGroup) -> None:
        if not self.is_up:
            raise ClientError({"Error": {"Code": "Down", "Message": "no Glue"}}, "CreateTable")
        self.put.append(group)


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def control(registry: Registry, clock: ManualClock, tables: Tables) -> ControlPlane:
    return ControlPlane(registry, put_table=tables, clock=clock, account="1", region="r")


def request(name: str = "g", **changes: Any) -> dict[str, Any]:
    return {
        "FeatureGroupName": name,
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": [
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "time", "FeatureType": "Fractional"},
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
        **changes,
    }


def names(listed: dict[str, Any]) -> list[str]:
    return [summary["FeatureGroupName"] for summary in listed["FeatureGroupSummaries"]]


def test_a_creation_answers_the_arn_and_makes_the_table(
    control: ControlPlane, tables: Tables
) -> None:
    answer = control.create_feature_group(request())
    assert answer == {"FeatureGroupArn": "arn:aws:sagemaker:r:1:feature-group/g"}
    assert [group.name for group in tables.put] == ["g"]


def test_a_table_that_can_not_be_made_fails_the_creation(
    control: ControlPlane, tables: Tables, clock: ManualClock
) -> None:
    tables.is_up = False
    control.create_feature_group(request())
    clock.advance(1.0)
    described = control.describe_feature_group({"FeatureGroupName": "g"})
    assert described["FeatureGroupStatus"] == "CreateFailed"
    assert "no Glue" in described["FailureReason"]


def test_an_update_waits_for_what_is_under_way(control: ControlPlane, clock: ManualClock) -> None:
    control.create_feature_group(request())
    addition = [{"FeatureName": "new", "FeatureType": "Integral"}]
    params = {"FeatureGroupName": "g", "FeatureAdditions": addition}
    with pytest.raises(AwsError, match="still changing"):
        control.update_feature_group(params)
    clock.advance(1.0)
    control.update_feature_group(params)
    with pytest.raises(AwsError, match="still changing"):
        control.update_feature_group(params)


def test_added_features_reach_the_table(
    control: ControlPlane, tables: Tables, clock: ManualClock
) -> None:
    control.create_feature_group(request())
    clock.advance(1.0)
    addition = [{"FeatureName": "new", "FeatureType": "Integral"}]
    control.update_feature_group({"FeatureGroupName": "g", "FeatureAdditions": addition})
    assert list(tables.put[-1].features) == ["id", "time", "new"]


def test_groups_are_listed_oldest_first_unless_told_otherwise(
    control: ControlPlane, clock: ManualClock
) -> None:
    for name in ("beta", "alpha"):
        control.create_feature_group(request(name))
        clock.advance(1.0)
    assert names(control.list_feature_groups({})) == ["beta", "alpha"]
    assert names(control.list_feature_groups({"SortBy": "Name"})) == ["alpha", "beta"]
    assert names(control.list_feature_groups({"SortOrder": "Descending"})) == ["alpha", "beta"]


def test_filters_restrict_the_list(control: ControlPlane, clock: ManualClock) -> None:
    control.create_feature_group(request("old"))
    clock.advance(1.0)
    control.create_feature_group(request("new"))
    now_s = clock.now()
    for filters, expected in (
        ({"NameContains": "ol"}, ["old"]),
        ({"FeatureGroupStatusEquals": "Creating"}, ["new"]),
        ({"CreationTimeAfter": now_s}, ["new"]),
        ({"CreationTimeBefore": now_s - 1}, ["old"]),
        ({"OfflineStoreStatusEquals": "Active"}, []),
    ):
        assert names(control.list_feature_groups(filters)) == expected


def test_a_list_goes_on_with_its_token(control: ControlPlane, clock: ManualClock) -> None:
    for number in range(3):
        control.create_feature_group(request(f"g{number}"))
        clock.advance(1.0)
    page = control.list_feature_groups({"MaxResults": 2})
    assert names(page) == ["g0", "g1"]
    last = control.list_feature_groups({"MaxResults": 2, "NextToken": page["NextToken"]})
    assert (names(last), "NextToken" in last) == (["g2"], False)
    with pytest.raises(AwsError, match="NextToken"):
        control.list_feature_groups({"NextToken": "mine"})


def test_tags_can_be_added_and_removed(control: ControlPlane) -> None:
    created = control.create_feature_group(request(Tags=[{"Key": "a", "Value": "1"}]))
    arn = created["FeatureGroupArn"]
    control.add_tags({"ResourceArn": arn, "Tags": [{"Key": "b", "Value": "2"}]})
    control.delete_tags({"ResourceArn": arn, "TagKeys": ["a"]})
    assert control.list_tags({"ResourceArn": arn}) == {"Tags": [{"Key": "b", "Value": "2"}]}


def test_tags_of_other_resources_are_not_ours() -> None:
    assert is_about_other_resource({"ResourceArn": "arn:aws:sagemaker:r:1:domain/d-1"})
    assert is_about_other_resource({})
    assert not is_about_other_resource({"ResourceArn": "arn:aws:sagemaker:r:1:feature-group/g"})


def test_what_is_said_of_a_feature_is_changed_at_once(
    control: ControlPlane, clock: ManualClock
) -> None:
    control.create_feature_group(request())
    name = {"FeatureGroupName": "g", "FeatureName": "id"}
    created_at_s = control.describe_feature_metadata(name)["LastModifiedTime"]
    clock.advance(5.0)
    unit = {"Key": "unit", "Value": "satoshi"}
    control.update_feature_metadata(name | {"Description": "d", "ParameterAdditions": [unit]})
    control.update_feature_metadata(name | {"ParameterAdditions": [unit | {"Key": "old"}]})
    control.update_feature_metadata(name | {"ParameterRemovals": ["old", "nothing"]})
    said = control.describe_feature_metadata(name)
    assert (said["Description"], said["Parameters"]) == ("d", [unit])
    assert said["LastModifiedTime"] == created_at_s + 5.0


def test_features_have_at_most_25_parameters_and_groups_50_tags(control: ControlPlane) -> None:
    arn = control.create_feature_group(request())["FeatureGroupArn"]
    name = {"FeatureGroupName": "g", "FeatureName": "id"}

    def pairs(prefix: str, count: int) -> list[dict[str, str]]:
        return [{"Key": f"{prefix}{number}", "Value": "v"} for number in range(count)]

    control.update_feature_metadata(name | {"ParameterAdditions": pairs("a", 25)})
    with pytest.raises(AwsError, match="at most 25"):
        control.update_feature_metadata(name | {"ParameterAdditions": pairs("b", 1)})
    control.add_tags({"ResourceArn": arn, "Tags": pairs("a", 50)})
    with pytest.raises(AwsError, match="at most 50"):
        control.add_tags({"ResourceArn": arn, "Tags": pairs("b", 1)})


def test_of_a_feature_that_is_not_there_nothing_is_said(control: ControlPlane) -> None:
    control.create_feature_group(request())
    with pytest.raises(AwsError, match="no feature") as caught:
        control.describe_feature_metadata({"FeatureGroupName": "g", "FeatureName": "x"})
    assert caught.value.code == "ResourceNotFound"


def test_throughput_becomes_on_demand_once_a_day(control: ControlPlane, clock: ManualClock) -> None:
    control.create_feature_group(request())

    def switch(mode: str) -> None:
        clock.advance(60.0)
        config = {"ThroughputMode": mode}
        control.update_feature_group({"FeatureGroupName": "g", "ThroughputConfig": config})

    for mode in ("Provisioned", "OnDemand", "Provisioned"):
        switch(mode)
    with pytest.raises(AwsError, match="once in 24 hours"):
        switch("OnDemand")
    clock.advance(86_400.0)
    switch("OnDemand")
