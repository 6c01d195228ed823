import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from featurestore_support.account import Account, refusal

pytestmark = pytest.mark.integration


@pytest.mark.rule("G1")
def test_a_group_is_creating_before_it_is_created(account: Account) -> None:
    control = account.client("sagemaker")
    request = account.group_request(OfflineStoreConfig=None)
    created = control.create_feature_group(**request)
    account.groups.append(request["FeatureGroupName"])
    assert created.keys() - {"ResponseMetadata"} == {"FeatureGroupArn"}
    described = control.describe_feature_group(FeatureGroupName=created["FeatureGroupArn"])
    assert (described["FeatureGroupStatus"], "NextToken" in described) == ("Creating", True)
    assert account.settled(request["FeatureGroupName"])["FeatureGroupStatus"] == "Created"


@pytest.mark.rule("G2")
def test_a_group_is_described_as_it_was_asked_for(account: Account) -> None:
    ttl = {"Unit": "Days", "Value": 7}
    name = account.group(
        OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": ttl},
        Description="by the minute",
    )
    described = account.client("sagemaker").describe_feature_group(FeatureGroupName=name)
    assert described["FeatureDefinitions"] == account.group_request()["FeatureDefinitions"]
    assert described["Description"] == "by the minute"
    assert described["OnlineStoreConfig"]["TtlDuration"] == ttl
    assert described["OfflineStoreStatus"] == {"Status": "Active"}
    resolved = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    _, _, _, region, number, _ = described["FeatureGroupArn"].split(":", 5)
    created_at_s = int(described["CreationTime"].timestamp())
    assert resolved == (
        f"s3://{account.bucket}/contract/{number}/sagemaker/{region}/offline-store/"
        f"{name}-{created_at_s}/data"
    )


@pytest.mark.rule("E2")
def test_a_name_can_be_taken_once(account: Account, both: str) -> None:
    create = account.client("sagemaker").create_feature_group
    request = account.group_request(FeatureGroupName=both)
    assert refusal(create, **request) == ("ResourceInUse", 400)


@pytest.mark.rule("E2")
def test_an_unknown_group_is_not_found(account: Account) -> None:
    control = account.client("sagemaker")
    added = [{"FeatureName": "x", "FeatureType": "String"}]
    for call, params in (
        (control.describe_feature_group, {}),
        (control.delete_feature_group, {}),
        (control.update_feature_group, {"FeatureAdditions": added}),
        (control.describe_feature_metadata, {"FeatureName": "x"}),
        (control.update_feature_metadata, {"FeatureName": "x", "Description": "y"}),
    ):
        assert refusal(call, FeatureGroupName="nobody", **params) == ("ResourceNotFound", 400)


@pytest.mark.rule("E3")
def test_a_fifth_creation_at_a_time_is_refused(account: Account) -> None:
    account.client("sagemaker")
    # In parallel: of sequential ones, the first may be ready before the fifth is requested.
    with ThreadPoolExecutor(8) as threads:
        begun = [threads.submit(account.start_group, OfflineStoreConfig=None) for _ in range(8)]
    errors = [str(error) for each in begun if (error := each.exception()) is not None]
    assert 1 <= len(errors) <= 4
    assert all("ResourceLimitExceeded" in error for error in errors)
    assert all("executing in parallel" in error for error in errors)
    for each in begun:
        if each.exception() is None:
            account.settled(each.result())


@pytest.mark.rule("G16")
def test_groups_are_listed_by_name_page_by_page(account: Account) -> None:
    stem = f"listed-{uuid.uuid4()}"
    names = [f"{stem}-{letter}" for letter in "abc"]
    for name in names:
        account.group(FeatureGroupName=name, OfflineStoreConfig=None)
    control = account.client("sagemaker")
    pages = control.get_paginator("list_feature_groups").paginate(
        NameContains=stem, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    found = [[each["FeatureGroupName"] for each in page["FeatureGroupSummaries"]] for page in pages]
    assert found == [names[:2], names[2:]]
    creating = control.list_feature_groups(NameContains=stem, FeatureGroupStatusEquals="Creating")
    assert creating["FeatureGroupSummaries"] == []


@pytest.mark.rule("G17")
def test_tags_are_set_listed_and_removed(account: Account) -> None:
    name = account.group(OfflineStoreConfig=None, Tags=[{"Key": "team", "Value": "features"}])
    control = account.client("sagemaker")
    arn = control.describe_feature_group(FeatureGroupName=name)["FeatureGroupArn"]
    control.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "test"}])
    control.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert control.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "stage", "Value": "test"}]


@pytest.mark.rule("G18")
def test_a_feature_takes_a_description_and_parameters(account: Account) -> None:
    name = account.group(OfflineStoreConfig=None)
    control = account.client("sagemaker")
    feature = {"FeatureGroupName": name, "FeatureName": "fee"}
    before = control.describe_feature_metadata(**feature)
    assert ("Description" in before, before["FeatureType"]) == (False, "Fractional")
    control.update_feature_metadata(
        **feature,
        Description="Sum of fees",
        ParameterAdditions=[{"Key": "unit", "Value": "satoshi"}, {"Key": "old", "Value": "1"}],
    )
    control.update_feature_metadata(**feature, ParameterRemovals=["old"])
    found = control.describe_feature_metadata(**feature)
    assert found["Description"] == "Sum of fees"
    assert found["Parameters"] == [{"Key": "unit", "Value": "satoshi"}]
    feature["FeatureName"] = "undefined"
    assert refusal(control.describe_feature_metadata, **feature) == ("ResourceNotFound", 400)


@pytest.mark.rule("G18")
def test_other_metadata_of_a_feature_is_refused(account: Account, both: str) -> None:
    update = account.client("sagemaker").update_feature_metadata
    feature = {"FeatureGroupName": both, "FeatureName": "fee"}
    for changes in (
        {"Description": "x" * 256},
        {"ParameterAdditions": [{"Key": "unit", "Value": "%"}]},
        {"ParameterAdditions": [{"Key": str(n), "Value": "x"} for n in range(26)]},
    ):
        assert refusal(update, **feature, **changes) == ("ValidationException", 400)


@pytest.mark.rule("G15")
def test_a_deleted_group_is_gone_and_its_rows_and_table_stay(
    account: Account, record_id: str
) -> None:
    group = account.group()
    account.put(group, record_id)
    account.offline_rows(group, record_id, 1)
    table = account.table(group)
    control = account.client("sagemaker")
    control.delete_feature_group(FeatureGroupName=group)
    account.groups.remove(group)

    def gone() -> bool | None:
        listed = control.list_feature_groups(NameContains=group)["FeatureGroupSummaries"]
        return None if listed else True

    assert account.eventually(gone)
    sql = f"SELECT minute FROM {table}"
    assert account.rows(sql) == [[record_id]]


@pytest.mark.rule("G7", "S24")
@pytest.mark.local_only
def test_collections_travel_as_lists(account: Account, record_id: str) -> None:
    definitions: list[dict[str, Any]] = account.group_request()["FeatureDefinitions"]
    definitions += [
        {"FeatureName": "words", "FeatureType": "String", "CollectionType": "List"},
        {
            "FeatureName": "place",
            "FeatureType": "Fractional",
            "CollectionType": "Vector",
            "CollectionConfig": {"VectorConfig": {"Dimension": 2}},
        },
    ]
    group = account.group(
        FeatureDefinitions=definitions,
        OnlineStoreConfig={"EnableOnlineStore": True, "StorageType": "InMemory"},
        OfflineStoreConfig=None,
    )
    described = account.client("sagemaker").describe_feature_group(FeatureGroupName=group)
    assert described["FeatureDefinitions"] == definitions
    runtime = account.client("sagemaker-featurestore-runtime")
    record: list[dict[str, Any]] = [
        {"FeatureName": "minute", "ValueAsString": record_id},
        {"FeatureName": "event_time", "ValueAsString": "1"},
        {"FeatureName": "words", "ValueAsStringList": ["b", "a", "b"]},
        {"FeatureName": "place", "ValueAsStringList": ["0.5", "-1"]},
    ]
    runtime.put_record(FeatureGroupName=group, Record=record)
    found = runtime.get_record(FeatureGroupName=group, RecordIdentifierValueAsString=record_id)
    assert found["Record"] == record
    for wrong in (["1"], ["1", "x"]):
        record[3]["ValueAsStringList"] = wrong
        refused = refusal(runtime.put_record, FeatureGroupName=group, Record=record)
        assert refused == ("ValidationError", 400)
