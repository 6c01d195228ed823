from typing import Any

import pytest

from featurestore_support.account import NOON_S, Account, refusal

pytestmark = pytest.mark.integration

runtime = "sagemaker-featurestore-runtime"


def params(group: str, record_id: str, **values: object) -> dict[str, Any]:
    features = [{"FeatureName": n, "ValueAsString": str(v)} for n, v in values.items()]
    return {
        "FeatureGroupName": group,
        "RecordIdentifierValueAsString": record_id,
        "Features": features,
    }


@pytest.mark.rule("S18")
@pytest.mark.parametrize("times", [{}, {"event_time": NOON_S}, {"event_time": NOON_S + 1}])
def test_what_is_given_changes_and_the_rest_stays(
    account: Account, v2: str, record_id: str, times: dict[str, int]
) -> None:
    account.put(v2, record_id, count=1, fee=2)
    account.client(runtime).update_record(**params(v2, record_id, count=3, **times))
    assert account.online(v2, record_id) == {
        "minute": record_id,
        "event_time": str(times.get("event_time", NOON_S)),
        "count": "3",
        "fee": "2",
    }


@pytest.mark.rule("S18")
def test_an_update_becomes_an_offline_row(account: Account, v2: str, record_id: str) -> None:
    account.put(v2, record_id, count=1)
    account.client(runtime).update_record(**params(v2, record_id, count=3))
    rows = account.offline_rows(v2, record_id, 2)
    assert sorted(row["count"] for row in rows) == [1, 3]


@pytest.mark.rule("S18")
def test_an_older_update_conflicts(account: Account, v2: str, record_id: str) -> None:
    account.put(v2, record_id)
    older = params(v2, record_id, count=3, event_time=NOON_S - 1)
    assert refusal(account.client(runtime).update_record, **older) == ("ConflictException", 409)


@pytest.mark.rule("S19")
def test_there_must_be_a_record_to_update(account: Account, v2: str, record_id: str) -> None:
    update = account.client(runtime).update_record
    assert refusal(update, **params(v2, record_id, count=3)) == ("ResourceNotFound", 404)
    account.put(v2, record_id)
    account.client(runtime).delete_record(
        FeatureGroupName=v2, RecordIdentifierValueAsString=record_id, EventTime=str(NOON_S + 1)
    )
    assert refusal(update, **params(v2, record_id, count=3)) == ("ResourceNotFound", 404)


@pytest.mark.rule("S19")
@pytest.mark.parametrize(
    "changes",
    [
        {"TtlDuration": {"Unit": "Days", "Value": 1}},
        {"TargetStores": ["OfflineStore"]},
        {"Features": [{"FeatureName": "count", "ValueAsString": "1"}] * 101},
        {"Features": [{"FeatureName": "minute", "ValueAsString": "another"}]},
    ],
    ids=["ttl without event time", "offline alone", "101 features", "another identifier"],
)
def test_an_update_that_makes_no_sense_is_refused(
    account: Account, v2: str, record_id: str, changes: dict[str, Any]
) -> None:
    account.put(v2, record_id)
    request = params(v2, record_id, count=3) | changes
    assert refusal(account.client(runtime).update_record, **request) == ("ValidationError", 400)


@pytest.mark.rule("S20")
def test_a_standard_store_takes_no_updates(account: Account, both: str, record_id: str) -> None:
    account.put(both, record_id)
    request = params(both, record_id, count=3)
    assert refusal(account.client(runtime).update_record, **request) == ("ValidationError", 400)


@pytest.mark.rule("S21")
def test_identifiers_are_listed_page_by_page_deleted_ones_on_request(account: Account) -> None:
    group = account.group(OfflineStoreConfig=None)
    for record_id in "abcd":
        account.put(group, record_id)
    client = account.client(runtime)
    client.delete_record(
        FeatureGroupName=group, RecordIdentifierValueAsString="b", EventTime=str(NOON_S + 1)
    )

    def listed(**options: Any) -> list[list[str]]:
        pages = client.get_paginator("list_records").paginate(
            FeatureGroupName=group, PaginationConfig={"PageSize": 2}, **options
        )
        return [page["RecordIdentifiers"] for page in pages]

    assert sorted(name for page in listed() for name in page) == ["a", "c", "d"]
    everything = listed(IncludeSoftDeletedRecords=True)
    assert sorted(name for page in everything for name in page) == ["a", "b", "c", "d"]
    assert max(len(page) for page in everything) <= 2
