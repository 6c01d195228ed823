import json
import urllib.request
from typing import Any

import pytest

from featurestore_support.account import NOON_S, Account, refusal, values_of

pytestmark = pytest.mark.integration

runtime = "sagemaker-featurestore-runtime"


@pytest.mark.rule("S5")
def test_a_record_comes_back_as_the_strings_put_in_definition_order(
    account: Account, online_only: str, record_id: str
) -> None:
    record = values_of(record_id, "1700049600.50", fee="17.0", count="08")
    account.client(runtime).put_record(FeatureGroupName=online_only, Record=record[::-1])
    assert list(account.online(online_only, record_id).items()) == [
        ("minute", record_id),
        ("event_time", "1700049600.50"),
        ("count", "08"),
        ("fee", "17.0"),
    ]


@pytest.mark.rule("S5")
def test_feature_names_restrict_what_is_returned(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id, count=1, fee=2)
    answer = account.client(runtime).get_record(
        FeatureGroupName=online_only,
        RecordIdentifierValueAsString=record_id,
        FeatureNames=["fee", "count"],
    )
    assert [value["FeatureName"] for value in answer["Record"]] == ["count", "fee"]


@pytest.mark.rule("S6")
def test_an_arn_serves_as_well_as_a_name(
    account: Account, online_only: str, record_id: str
) -> None:
    control = account.client("sagemaker")
    arn = control.describe_feature_group(FeatureGroupName=online_only)["FeatureGroupArn"]
    account.put(arn, record_id)
    assert account.online(arn, record_id)["minute"] == record_id


@pytest.mark.rule("S4")
def test_an_unknown_identifier_is_no_error_but_an_answer_without_record(
    account: Account, online_only: str, record_id: str
) -> None:
    answer = account.client(runtime).get_record(
        FeatureGroupName=online_only, RecordIdentifierValueAsString=record_id
    )
    assert "Record" not in answer


@pytest.mark.rule("S2")
@pytest.mark.parametrize("event_time", [NOON_S - 1, NOON_S])
def test_an_older_or_equal_event_time_leaves_the_online_record_as_it_is(
    account: Account, online_only: str, record_id: str, event_time: int
) -> None:
    account.put(online_only, record_id, count=1)
    account.put(online_only, record_id, event_time, count=2)
    assert account.online(online_only, record_id)["count"] == "1"


@pytest.mark.rule("S1")
def test_a_newer_event_time_replaces_the_whole_record(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id, count=1)
    account.put(online_only, record_id, f"{NOON_S}.001", fee=2.5)
    found = account.online(online_only, record_id)
    assert found == {"minute": record_id, "event_time": f"{NOON_S}.001", "fee": "2.5"}


@pytest.mark.rule("S3")
@pytest.mark.parametrize("part", [slice(0, 1), slice(1, 2)], ids=["no event time", "no identifier"])
def test_identifier_and_event_time_are_required(
    account: Account, online_only: str, record_id: str, part: slice
) -> None:
    put = account.client(runtime).put_record
    record = values_of(record_id)[part]
    assert refusal(put, FeatureGroupName=online_only, Record=record) == ("ValidationError", 400)


@pytest.mark.rule("S7")
def test_target_stores_choose_where_a_record_goes(
    account: Account, both: str, record_id: str
) -> None:
    account.put(both, record_id, count=1, TargetStores=["OfflineStore"])
    assert account.online(both, record_id) == {}
    account.put(both, record_id, count=2, TargetStores=["OnlineStore"])
    assert account.online(both, record_id)["count"] == "2"
    assert [row["count"] for row in account.offline_rows(both, record_id, 1)] == [1]


@pytest.mark.rule("E6")
def test_a_store_that_the_group_lacks_is_refused(
    account: Account, online_only: str, offline_only: str, record_id: str
) -> None:
    put, get = account.client(runtime).put_record, account.client(runtime).get_record
    for group, store in ((online_only, "OfflineStore"), (offline_only, "OnlineStore")):
        params = {"Record": values_of(record_id), "TargetStores": [store]}
        assert refusal(put, FeatureGroupName=group, **params) == ("ValidationError", 400)
    found = refusal(get, FeatureGroupName=offline_only, RecordIdentifierValueAsString=record_id)
    assert found == ("ValidationError", 400)


@pytest.mark.rule("E1")
@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("put_record", {"Record": values_of("a")}, ("ValidationError", 400)),
        (
            "delete_record",
            {"RecordIdentifierValueAsString": "a", "EventTime": "1"},
            ("ValidationError", 400),
        ),
        ("get_record", {"RecordIdentifierValueAsString": "a"}, ("ResourceNotFound", 404)),
        ("list_records", {}, ("ResourceNotFound", 404)),
        (
            "update_record",
            {"RecordIdentifierValueAsString": "a", "Features": values_of("a")},
            ("ResourceNotFound", 404),
        ),
    ],
)
def test_an_unknown_group_has_two_errors(
    account: Account, operation: str, params: dict[str, Any], expected: tuple[str, int]
) -> None:
    call = getattr(account.client(runtime), operation)
    assert refusal(call, FeatureGroupName="nobody", **params) == expected


@pytest.mark.rule("E1")
def test_an_unknown_group_is_named_in_the_message(account: Account) -> None:
    client = account.client(runtime)
    with pytest.raises(
        client.exceptions.ValidationError, match=r"can't find a FeatureGroup with name \[nobody\]"
    ):
        client.put_record(FeatureGroupName="nobody", Record=values_of("a"))


@pytest.mark.rule("E5")
@pytest.mark.local_only
def test_throttled_calls_are_tried_again_by_botocore(
    account: Account, online_only: str, record_id: str
) -> None:
    fault = {"operation": "PutRecord", "error": "ThrottlingException", "times": 2}
    urllib.request.urlopen(
        f"{account.endpoint_url}/_local/faults", json.dumps([fault]).encode()
    ).close()
    account.put(online_only, record_id)
    assert account.online(online_only, record_id)
