from typing import Any

import pytest

from featurestore_local.errors import AwsError
from featurestore_local.model import Collection, FeatureGroup, OnlineSettings, Ttl
from featurestore_local.records import (
    OFFLINE,
    ONLINE,
    check_names,
    expired_tombstone,
    read_record,
    read_ttl,
    target_stores,
    to_wire,
    tombstone,
)
from featurestore_local.values import FeatureType


def wire(**values: str) -> list[dict[str, Any]]:
    return to_wire(values)


@pytest.fixture
def group(make_group: Any) -> FeatureGroup:
    made: FeatureGroup = make_group()
    return made


def test_a_record_holds_its_values_in_definition_order(group: FeatureGroup) -> None:
    record = read_record(group, wire(count="1", time="2", id="a"), None)
    assert (record.record_id, record.event_time_ns) == ("a", 2_000_000_000)
    assert list(record.values) == ["id", "time", "count"]
    assert record.expires_at_ns is None


def test_a_feature_named_without_a_value_is_absent(group: FeatureGroup) -> None:
    record = read_record(group, [*wire(id="a", time="2"), {"FeatureName": "count"}], None)
    assert "count" not in record.values


def test_the_ttl_of_a_record_beats_that_of_its_group(make_group: Any) -> None:
    group = make_group(online=OnlineSettings(ttl=Ttl(unit="Hours", value=1)))
    values = wire(id="a", time="100")
    assert read_record(group, values, None).expires_at_ns == 3_700_000_000_000
    own = Ttl(unit="Seconds", value=1)
    assert read_record(group, values, own).expires_at_ns == 101_000_000_000


def test_an_expiry_beyond_the_calendar_is_its_end(group: FeatureGroup) -> None:
    record = read_record(group, wire(id="a", time="100"), Ttl(unit="Weeks", value=10**12))
    assert record.expires_at_ns == 253_402_300_799_000_000_000


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        (wire(time="1"), r"required feature \[id\]"),
        (wire(id="a"), r"required feature \[time\]"),
        (wire(id="a", time="1", other="1"), r"no feature \[other\]"),
        (wire(id="a", time="1") + wire(id="b"), "more than once"),
        (wire(id="", time="1"), "1 to 2048 bytes"),
        (wire(id="é" * 1025, time="1"), "1 to 2048 bytes"),
        ([{"FeatureName": "count", "ValueAsStringList": ["1"]}], "not a collection"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(
    group: FeatureGroup, values: list[dict[str, Any]], complaint: str
) -> None:
    with pytest.raises(AwsError, match=complaint) as caught:
        read_record(group, values, None)
    assert caught.value.code == "ValidationError"


def test_a_record_above_350_kb_is_refused(make_group: Any) -> None:
    features = make_group().features
    group = make_group(features={**features, "note": features["id"]})
    with pytest.raises(AwsError, match="at most 358400 bytes"):
        read_record(group, wire(id="a", time="1", note="x" * 358_400), None)


def test_a_tombstone_holds_identifier_and_event_time_alone(group: FeatureGroup) -> None:
    gone = tombstone(group, "a", "5")
    assert gone.is_deleted
    assert gone.values == {"id": "a", "time": "5"}
    with pytest.raises(AwsError, match="event time"):
        tombstone(group, "a", "yesterday")


def test_a_write_goes_to_the_wanted_stores_or_to_all_there_are(make_group: Any) -> None:
    assert target_stores(make_group(), None) == {ONLINE, OFFLINE}
    assert target_stores(make_group(), [OFFLINE]) == {OFFLINE}
    assert target_stores(make_group(offline=None), None) == {ONLINE}
    with pytest.raises(AwsError, match="has no OfflineStore"):
        target_stores(make_group(offline=None), [ONLINE, OFFLINE])


def test_names_must_be_defined(group: FeatureGroup) -> None:
    check_names(group, ["id", "count"])
    with pytest.raises(AwsError, match="absent"):
        check_names(group, ["absent"])


def test_a_ttl_is_read_from_the_wire() -> None:
    assert read_ttl({"Unit": "Days", "Value": 3}) == Ttl(unit="Days", value=3)
    assert read_ttl(None) is None


@pytest.fixture
def collecting(make_group: Any) -> FeatureGroup:
    collections = {
        "count": Collection(kind="Set"),
        "place": Collection(kind="Vector", dimension=2),
    }
    features = {**make_group().features, "place": FeatureType.FRACTIONAL}
    group: FeatureGroup = make_group(features=features, collections=collections, offline=None)
    return group


def test_collections_are_read_and_written_as_lists(collecting: FeatureGroup) -> None:
    values = [
        *wire(id="a", time="1"),
        {"FeatureName": "count", "ValueAsStringList": ["2", "1", "2"]},
        {"FeatureName": "place", "ValueAsStringList": ["0.5", "1"]},
    ]
    record = read_record(collecting, values, None)
    assert record.values["count"] == ("2", "1")  # a set
    assert to_wire(record.values)[-1] == values[-1]


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"ValueAsString": "1"}, "give ValueAsStringList"),
        ({"ValueAsStringList": ["1"]}, "must have 2 values"),
        ({"ValueAsStringList": ["1", "x"]}, "Fractional"),
    ],
)
def test_a_value_that_is_not_the_collection_is_refused(
    collecting: FeatureGroup, value: dict[str, Any], complaint: str
) -> None:
    values = [*wire(id="a", time="1"), {"FeatureName": "place"} | value]
    with pytest.raises(AwsError, match=complaint):
        read_record(collecting, values, None)


def test_an_expired_text_time_leaves_a_text_time(make_group: Any) -> None:
    features = {**make_group().features, "time": FeatureType.STRING}
    group = make_group(features=features)
    ttl = Ttl(unit="Hours", value=1)
    record = read_record(group, wire(id="a", time="2023-11-15T12:00:00Z"), ttl)
    dead = expired_tombstone(group, record)
    assert dead.values == {"id": "a", "time": "2023-11-15T13:00:00Z"}
