import json
import urllib.request
from typing import Any

import pytest

from featurestore_support.account import Account, refusal, values_of

pytestmark = pytest.mark.integration

runtime = "sagemaker-featurestore-runtime"


def wanted(group: str, *record_ids: str, **others: Any) -> dict[str, Any]:
    return {
        "FeatureGroupName": group,
        "RecordIdentifiersValueAsString": list(record_ids),
    } | others


@pytest.mark.rule("S22")
def test_batch_get_returns_what_there_is_and_leaves_out_what_is_not(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id, count=3)
    answer = account.client(runtime).batch_get_record(
        Identifiers=[wanted(online_only, record_id, "nothing", FeatureNames=["count"])]
    )
    assert answer["Records"] == [
        {
            "FeatureGroupName": online_only,
            "RecordIdentifierValueAsString": record_id,
            "Record": [{"FeatureName": "count", "ValueAsString": "3"}],
        }
    ]
    assert (answer["Errors"], answer["UnprocessedIdentifiers"]) == ([], [])


@pytest.mark.rule("S22", "E1")
def test_batch_get_reports_what_it_can_not_read_beside_what_it_can(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id)
    answer = account.client(runtime).batch_get_record(
        Identifiers=[wanted(online_only, record_id), wanted("nobody", record_id)]
    )
    assert len(answer["Records"]) == 1
    assert [error["FeatureGroupName"] for error in answer["Errors"]] == ["nobody"]


@pytest.mark.rule("S23")
def test_batch_write_writes_the_good_entries_and_returns_the_bad_ones(
    account: Account, online_only: str, both: str, record_id: str
) -> None:
    entries = [
        {"FeatureGroupName": online_only, "Record": values_of(record_id, count="one")},
        {"FeatureGroupName": online_only, "Record": values_of(record_id, count=1)},
        {
            "FeatureGroupName": both,
            "Record": values_of(record_id, count=2),
            "TargetStores": ["OnlineStore"],
        },
    ]
    answer = account.client(runtime).batch_write_record(Entries=entries)
    assert [error["Entry"] for error in answer["Errors"]] == entries[:1]
    assert answer["Errors"][0]["ErrorCode"] == "ValidationError"
    assert answer["UnprocessedEntries"] == []
    assert account.online(online_only, record_id)["count"] == "1"
    assert account.online(both, record_id)["count"] == "2"


@pytest.mark.rule("S23", "E5")
@pytest.mark.local_only
def test_entries_that_were_not_processed_come_back_to_be_tried_again(
    account: Account, online_only: str, record_id: str
) -> None:
    fault = {"operation": "BatchWriteRecord", "error": "unprocessed", "processed": 1}
    body = json.dumps([fault]).encode()
    urllib.request.urlopen(f"{account.endpoint_url}/_local/faults", body).close()
    entries = [
        {"FeatureGroupName": online_only, "Record": values_of(f"{record_id} {index}")}
        for index in range(3)
    ]
    client = account.client(runtime)
    left = client.batch_write_record(Entries=entries)["UnprocessedEntries"]
    assert left == entries[1:]
    assert client.batch_write_record(Entries=left)["UnprocessedEntries"] == []
    assert all(account.online(online_only, f"{record_id} {index}") for index in range(3))


@pytest.mark.rule("E1", "S23")
def test_batch_write_to_an_unknown_group_is_refused_as_a_whole(account: Account) -> None:
    entries = [{"FeatureGroupName": "nobody", "Record": values_of("a")}]
    write = account.client(runtime).batch_write_record
    assert refusal(write, Entries=entries) == ("ResourceNotFound", 404)


@pytest.mark.rule("Q2", "G20")
def test_batches_above_their_limits_are_refused_though_botocore_lets_them_out(
    account: Account, online_only: str, record_id: str
) -> None:
    client = account.client(runtime)
    entries = [{"FeatureGroupName": online_only, "Record": values_of(record_id)}] * 26
    assert refusal(client.batch_write_record, Entries=entries) == ("ValidationError", 400)
    identifiers = [wanted(online_only, *(str(index) for index in range(51)))] * 2
    assert refusal(client.batch_get_record, Identifiers=identifiers) == ("ValidationError", 400)


@pytest.mark.rule("G20")
def test_other_breaches_that_botocore_lets_out_are_refused(
    account: Account, online_only: str
) -> None:
    client = account.client(runtime)
    name = {"FeatureGroupName": online_only}
    for call, params in (
        (client.list_records, name | {"MaxResults": 1000}),
        (client.get_record, {"FeatureGroupName": "x" * 300, "RecordIdentifierValueAsString": "a"}),
        (client.put_record, name | {"Record": values_of("a"), "TargetStores": ["Cellar"]}),
        (client.put_record, name | {"Record": [{"FeatureName": "-", "ValueAsString": "a"}]}),
    ):
        assert refusal(call, **params) == ("ValidationError", 400)
