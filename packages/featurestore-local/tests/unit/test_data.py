from typing import Any

import pytest

from featurestore_local.clock import ManualClock
from featurestore_local.data import DataPlane
from featurestore_local.errors import AwsError
from featurestore_local.model import FeatureGroup, OnlineSettings, Record
from featurestore_local.records import to_wire
from featurestore_local.registry import Registry


@pytest.fixture
def filed() -> list[Record]:
    return []


@pytest.fixture
def data(registry: Registry, clock: ManualClock, filed: list[Record], make_group: Any) -> DataPlane:
    registry.create(make_group("both"), {})
    registry.create(make_group("v2", online=OnlineSettings(storage_type="Standard_V2")), {})
    clock.advance(1.0)

    def file_offline(group: FeatureGroup, record: Record) -> None:
        assert group.offline is not None
        filed.append(record)

    return DataPlane(registry, file_offline=file_offline, clock=clock)


def put(data: DataPlane, group: str, record_id: str, time: int, **values: str) -> None:
    record = to_wire({"id": record_id, "time": str(time), **values})
    data.put_record({"FeatureGroupName": group, "Record": record})


def get(data: DataPlane, group: str, record_id: str) -> dict[str, Any]:
    return data.get_record({"FeatureGroupName": group, "RecordIdentifierValueAsString": record_id})


def update(data: DataPlane, record_id: str = "a", **changes: Any) -> None:
    params = {"FeatureGroupName": "v2", "RecordIdentifierValueAsString": record_id}
    data.update_record(params | changes)


def test_a_historic_put_goes_offline_only(data: DataPlane, filed: list[Record]) -> None:
    put(data, "both", "a", 10, count="1")
    put(data, "both", "a", 10, count="2")
    assert get(data, "both", "a")["Record"][-1]["ValueAsString"] == "1"
    assert [record.values["count"] for record in filed] == ["1", "2"]


def test_an_unwritable_entry_of_a_batch_does_not_hold_up_the_others(data: DataPlane) -> None:
    entries = [
        {"FeatureGroupName": "both", "Record": to_wire({"id": "a"})},
        {"FeatureGroupName": "both", "Record": to_wire({"id": "b", "time": "1"})},
    ]
    answer = data.batch_write_record({"Entries": entries})
    assert [error["Entry"] for error in answer["Errors"]] == entries[:1]
    assert get(data, "both", "b")


def test_a_batch_with_an_unknown_group_writes_nothing(data: DataPlane, filed: list[Record]) -> None:
    entries = [
        {"FeatureGroupName": name, "Record": to_wire({"id": "b", "time": "1"})}
        for name in ("both", "nobody")
    ]
    with pytest.raises(AwsError) as caught:
        data.batch_write_record({"Entries": entries})
    assert caught.value.code == "ResourceNotFound"
    assert filed == []


def test_the_ttl_of_an_entry_beats_that_of_its_batch(data: DataPlane, clock: ManualClock) -> None:
    now_s = int(clock.now())
    short, long = ({"Unit": "Seconds", "Value": value} for value in (5, 50))
    entries = [
        {
            "FeatureGroupName": "both",
            "Record": to_wire({"id": "short", "time": str(now_s)}),
            "TtlDuration": short,
        },
        {"FeatureGroupName": "both", "Record": to_wire({"id": "long", "time": str(now_s)})},
    ]
    data.batch_write_record({"Entries": entries, "TtlDuration": long})
    clock.advance(5.0)
    assert (bool(get(data, "both", "short")), bool(get(data, "both", "long"))) == (False, True)


def test_a_refused_hard_delete_leaves_no_tombstone(data: DataPlane, filed: list[Record]) -> None:
    put(data, "both", "a", 10)
    params = {
        "FeatureGroupName": "both",
        "RecordIdentifierValueAsString": "a",
        "EventTime": "10",
    }
    with pytest.raises(AwsError, match="later"):
        data.delete_record(params | {"DeletionMode": "HardDelete"})
    assert len(filed) == 1
    data.delete_record(params)
    assert filed[-1].is_deleted
    assert get(data, "both", "a")


def test_an_update_changes_some_features_and_files_the_whole_record(
    data: DataPlane, filed: list[Record]
) -> None:
    put(data, "v2", "a", 10, count="1")
    update(data, Features=to_wire({"count": "2"}))
    assert filed[-1].values == {"id": "a", "time": "10", "count": "2"}
    update(data, Features=to_wire({"time": "10", "count": "3"}))
    assert get(data, "v2", "a")["Record"][-1]["ValueAsString"] == "3"


def test_an_update_of_the_online_store_alone_files_nothing(
    data: DataPlane, filed: list[Record]
) -> None:
    put(data, "v2", "a", 10)
    update(data, Features=to_wire({"count": "2"}), TargetStores=["OnlineStore"])
    assert len(filed) == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Features": to_wire({"time": "9"})}, "ConflictException"),
        ({"RecordIdentifierValueAsString": "b", "Features": []}, "ResourceNotFound"),
        ({"Features": to_wire({"id": "b"})}, "ValidationError"),
        ({"Features": [], "TargetStores": ["OfflineStore"]}, "ValidationError"),
        ({"Features": [], "TtlDuration": {"Unit": "Days", "Value": 1}}, "ValidationError"),
        ({"Features": to_wire({"count": "1"}) * 101}, "ValidationError"),
        ({"Features": [], "FeatureGroupName": "both"}, "ValidationError"),
    ],
)
def test_an_update_that_can_not_be_is_refused(
    data: DataPlane, changes: dict[str, Any], code: str
) -> None:
    put(data, "v2", "a", 10)
    with pytest.raises(AwsError) as caught:
        update(data, **changes)
    assert caught.value.code == code


def test_identifiers_are_listed_in_order_page_by_page(data: DataPlane) -> None:
    for record_id in ("c", "a", "b"):
        put(data, "both", record_id, 10)
    data.delete_record(
        {"FeatureGroupName": "both", "RecordIdentifierValueAsString": "b", "EventTime": "11"}
    )
    first = data.list_records({"FeatureGroupName": "both", "MaxResults": 1})
    assert first == {"RecordIdentifiers": ["a"], "NextToken": "a"}
    rest = {"FeatureGroupName": "both", "NextToken": "a"}
    assert data.list_records(rest) == {"RecordIdentifiers": ["c"]}
    with_deleted = data.list_records(rest | {"IncludeSoftDeletedRecords": True})
    assert with_deleted == {"RecordIdentifiers": ["b", "c"]}


def test_what_expires_leaves_a_tombstone_of_the_time_it_expired(
    data: DataPlane, filed: list[Record], clock: ManualClock
) -> None:
    time = int(clock.now())
    ttl = {"Unit": "Seconds", "Value": 10}
    record = to_wire({"id": "a", "time": str(time), "count": "1"})
    data.put_record({"FeatureGroupName": "both", "Record": record, "TtlDuration": ttl})
    data.expire()
    assert [each.is_deleted for each in filed] == [False]
    clock.advance(10.0)
    data.expire()
    data.expire()
    [_, dead] = filed
    assert (dead.is_deleted, dead.event_time_ns) == (True, (time + 10) * 10**9)
    assert "count" not in dead.values


def test_a_batch_reads_at_most_100_records(data: DataPlane) -> None:
    ids = [str(number) for number in range(51)]
    identifier = {"FeatureGroupName": "both", "RecordIdentifiersValueAsString": ids}
    with pytest.raises(AwsError, match="at most 100"):
        data.batch_get_record({"Identifiers": [identifier, identifier]})
