import pytest

from featurestore_support.account import NOON_S, Account, refusal

pytestmark = pytest.mark.integration

runtime = "sagemaker-featurestore-runtime"


def delete(account: Account, group: str, record_id: str, event_time: int, **params: str) -> None:
    account.client(runtime).delete_record(
        FeatureGroupName=group,
        RecordIdentifierValueAsString=record_id,
        EventTime=str(event_time),
        **params,
    )


@pytest.mark.rule("S10")
def test_a_soft_delete_hides_the_record_and_history_does_not_bring_it_back(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id)
    delete(account, online_only, record_id, NOON_S + 10)
    account.put(online_only, record_id, NOON_S + 5)
    assert account.online(online_only, record_id) == {}
    account.put(online_only, record_id, NOON_S + 11)
    assert account.online(online_only, record_id) != {}


@pytest.mark.rule("S11")
def test_a_soft_delete_with_an_old_event_time_leaves_the_record_and_a_tombstone(
    account: Account, both: str, record_id: str
) -> None:
    account.put(both, record_id)
    delete(account, both, record_id, NOON_S)
    assert account.online(both, record_id) != {}
    rows = account.offline_rows(both, record_id, 2)
    assert sorted(row["is_deleted"] for row in rows) == [False, True]


@pytest.mark.rule("S12")
def test_a_hard_delete_forgets(account: Account, online_only: str, record_id: str) -> None:
    account.put(online_only, record_id)
    delete(account, online_only, record_id, NOON_S + 1, DeletionMode="HardDelete")
    assert account.online(online_only, record_id) == {}
    account.put(online_only, record_id)
    assert account.online(online_only, record_id) != {}


@pytest.mark.rule("S12")
def test_a_hard_delete_with_an_old_event_time_is_refused_and_leaves_no_tombstone(
    account: Account, both: str, record_id: str
) -> None:
    account.put(both, record_id, count=1)
    refused = refusal(
        account.client(runtime).delete_record,
        FeatureGroupName=both,
        RecordIdentifierValueAsString=record_id,
        EventTime=str(NOON_S),
        DeletionMode="HardDelete",
    )
    assert refused == ("ValidationError", 400)
    account.put(both, record_id, NOON_S + 1, count=2)
    rows = account.offline_rows(both, record_id, 2)
    assert not any(row["is_deleted"] for row in rows)


@pytest.mark.rule("S13")
def test_a_tombstone_holds_identifier_and_time_alone(
    account: Account, offline_only: str, record_id: str
) -> None:
    account.put(offline_only, record_id, count=1)
    delete(account, offline_only, record_id, NOON_S + 1)
    rows = account.offline_rows(offline_only, record_id, 2)
    dead = next(row for row in rows if row["is_deleted"])
    assert (dead["minute"], dead["event_time"]) == (record_id, NOON_S + 1)
    assert (dead["count"], dead["fee"]) == (None, None)
