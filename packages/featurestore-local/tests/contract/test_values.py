import pytest

from featurestore_support.account import NOON_S, Account, refusal, values_of

pytestmark = pytest.mark.integration

runtime = "sagemaker-featurestore-runtime"


@pytest.mark.rule("E4", "S8", "S9")
@pytest.mark.parametrize(
    "record",
    [
        values_of("a", count="1.0"),
        values_of("a", count=2**63),
        values_of("a", count=""),
        values_of("a", fee="NaN"),
        values_of("a", fee="inf"),
        values_of("a", event_time="2023-11-15T12:00:00Z"),
        values_of("a", event_time=NOON_S * 1000),
        values_of("a", unheard_of=1),
        values_of("a") + values_of("a"),
        values_of(""),
    ],
    ids=[
        "float for Integral",
        "beyond 64 bits",
        "no digits",
        "NaN",
        "infinity",
        "ISO text for Fractional time",
        "milliseconds",
        "unknown feature",
        "feature twice",
        "empty identifier",
    ],
)
def test_a_record_that_does_not_fit_its_group_is_refused(
    account: Account, online_only: str, record: list[object]
) -> None:
    put = account.client(runtime).put_record
    assert refusal(put, FeatureGroupName=online_only, Record=record) == ("ValidationError", 400)


@pytest.mark.rule("S8")
def test_the_ends_of_the_ranges_are_taken(
    account: Account, online_only: str, record_id: str
) -> None:
    account.put(online_only, record_id, NOON_S, count=-(2**63), fee="1.7976931348623157e308")
    account.put(online_only, record_id, NOON_S + 1, count=2**63 - 1, fee="-0.0")
    assert account.online(online_only, record_id)["count"] == str(2**63 - 1)


@pytest.mark.rule("S8")
def test_a_text_may_be_empty(account: Account, record_id: str) -> None:
    definitions = [
        {"FeatureName": "minute", "FeatureType": "String"},
        {"FeatureName": "event_time", "FeatureType": "Fractional"},
        {"FeatureName": "note", "FeatureType": "String"},
    ]
    group = account.group(FeatureDefinitions=definitions, OfflineStoreConfig=None)
    account.put(group, record_id, note="")
    assert account.online(group, record_id)["note"] == ""


@pytest.mark.rule("S9")
@pytest.mark.parametrize(
    "event_time",
    ["2023-11-15T12:00:00Z", "2023-11-15T12:00:00.123Z", "2023-11-15T12:00:00.123456789Z"],
)
def test_a_text_time_is_iso_in_utc(
    account: Account, iceberg: str, record_id: str, event_time: str
) -> None:
    account.put(iceberg, record_id, event_time, TargetStores=["OnlineStore"])
    assert account.online(iceberg, record_id)["event_time"] == event_time


@pytest.mark.rule("S9")
@pytest.mark.parametrize(
    "event_time",
    [
        "2023-11-15T12:00:00+00:00",
        "2023-11-15 12:00:00Z",
        "2023-11-15T12:00:00",
        "2023-11-15T12:00:00.1Z",
        "2023-02-30T12:00:00Z",
        "1700049600",
    ],
)
def test_another_form_of_time_is_refused(
    account: Account, iceberg: str, record_id: str, event_time: str
) -> None:
    put = account.client(runtime).put_record
    record = values_of(record_id, event_time)
    assert refusal(put, FeatureGroupName=iceberg, Record=record) == ("ValidationError", 400)


@pytest.mark.rule("S9", "S2")
def test_text_times_are_compared_as_times(account: Account, iceberg: str, record_id: str) -> None:
    stores = {"TargetStores": ["OnlineStore"]}
    account.put(iceberg, record_id, "2023-11-15T12:00:00.500Z", count=1, **stores)
    account.put(iceberg, record_id, "2023-11-15T12:00:00Z", count=2, **stores)
    assert account.online(iceberg, record_id)["count"] == "1"


@pytest.mark.rule("Q1")
def test_too_large_a_record_or_identifier_is_refused(
    account: Account, online_only: str, record_id: str
) -> None:
    put = account.client(runtime).put_record
    long_id, long_number = values_of("x" * 2049), values_of(record_id, fee="0" * 358_400)
    for record in (long_id, long_number):
        assert refusal(put, FeatureGroupName=online_only, Record=record) == ("ValidationError", 400)
    account.put(online_only, "x" * 2048)
