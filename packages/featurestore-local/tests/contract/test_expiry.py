from datetime import UTC, datetime
from typing import Any

import pytest

from featurestore_local.clock import SystemClock
from featurestore_support.account import NOON_S, Account, values_of

pytestmark = pytest.mark.integration

runtime = "sagemaker-featurestore-runtime"
FAR_S = 4_000_000_000
DAY = {"Unit": "Days", "Value": 1}
WEEK = {"Unit": "Weeks", "Value": 1}


def expires_at(account: Account, group: str, record_id: str) -> Any:
    answer = account.client(runtime).get_record(
        FeatureGroupName=group,
        RecordIdentifierValueAsString=record_id,
        ExpirationTimeResponse="Enabled",
    )
    return answer.get("ExpiresAt")


def after_far(seconds: int) -> str:
    return f"{datetime.fromtimestamp(FAR_S + seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.rule("S14")
def test_a_record_that_has_outlived_its_ttl_is_not_returned(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id, TtlDuration=DAY)
    assert account.online(online_only, record_id) == {}


@pytest.mark.rule("S14", "S15")
def test_expires_at_is_event_time_plus_ttl_and_is_returned_on_request_only(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id, FAR_S, TtlDuration={"Unit": "Minutes", "Value": 2})
    answer = account.client(runtime).get_record(
        FeatureGroupName=online_only, RecordIdentifierValueAsString=record_id
    )
    assert "ExpiresAt" not in answer
    assert expires_at(account, online_only, record_id) == after_far(120)


@pytest.mark.rule("S16")
def test_the_records_own_ttl_counts_before_the_batchs_before_the_groups(
    account: Account, record_id: str
) -> None:
    group = account.group(
        OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": WEEK}, OfflineStoreConfig=None
    )
    hour = {"Unit": "Hours", "Value": 1}
    names = [f"{record_id} {index}" for index in range(3)]
    account.put(group, names[0], FAR_S)
    entries = [
        {"FeatureGroupName": group, "Record": values_of(names[1], FAR_S)},
        {"FeatureGroupName": group, "Record": values_of(names[2], FAR_S), "TtlDuration": hour},
    ]
    account.client(runtime).batch_write_record(Entries=entries, TtlDuration=DAY)
    found = [expires_at(account, group, name) for name in names]
    assert found == [after_far(7 * 86_400), after_far(86_400), after_far(3600)]


@pytest.mark.rule("S16")
def test_a_change_of_the_groups_ttl_is_for_later_records(account: Account, record_id: str) -> None:
    group = account.group(
        OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": WEEK}, OfflineStoreConfig=None
    )
    account.put(group, record_id, FAR_S)
    account.client("sagemaker").update_feature_group(
        FeatureGroupName=group, OnlineStoreConfig={"TtlDuration": DAY}
    )
    account.settled(group)
    account.put(group, f"{record_id} later", FAR_S)
    assert expires_at(account, group, record_id) == after_far(7 * 86_400)
    assert expires_at(account, group, f"{record_id} later") == after_far(86_400)


@pytest.mark.rule("S17")
@pytest.mark.local_only
def test_an_expired_record_leaves_a_tombstone_offline(
    account: Account, both: str, record_id: str
) -> None:
    account.put(both, record_id, count=1, TtlDuration=DAY)
    rows = account.offline_rows(both, record_id, 2)
    [dead] = [row for row in rows if row["is_deleted"]]
    assert (dead["event_time"], dead["count"]) == (NOON_S + 86_400, None)
    assert dead["event_time"] < SystemClock().now()
