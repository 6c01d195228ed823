"""What the project relies on in SageMaker Feature Store, one test per rule.

boto3 only: to run the same rules against AWS, let the fixture ``account`` name a
bucket, a role and no endpoint, with an hour's patience. Tests that order faults or
read counts belong to the local AWS and are elsewhere.
"""

import io
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from txfeatures.clock import SystemClock
from txfeatures_local.aws import LocalAws

if TYPE_CHECKING:
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient

pytestmark = pytest.mark.integration

T = TypeVar("T")
NOON_S = 1_700_049_600  # 2023-11-15T12:00:00Z
FEATURES = {
    "minute": "String",
    "event_time": "Fractional",
    "count": "Integral",
    "fee": "Fractional",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    session: boto3.Session
    endpoint_url: str | None
    bucket: str
    role_arn: str
    patience_s: float

    def client(self, service: Any) -> Any:
        return self.session.client(service, endpoint_url=self.endpoint_url)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with LocalAws(offline_delay_s=0.1, settling_s=0.5) as aws:
        account = Account(
            session=boto3.Session("any", "any", region_name=aws.region),
            endpoint_url=aws.endpoint_url,
            bucket="contract",
            role_arn="arn:aws:iam::123456789012:role/contract",
            patience_s=20.0,
        )
        account.client("s3").create_bucket(
            Bucket=account.bucket, CreateBucketConfiguration={"LocationConstraint": aws.region}
        )
        yield account


@pytest.fixture(scope="module")
def control(account: Account) -> "SageMakerClient":
    client: SageMakerClient = account.client("sagemaker")
    return client


@pytest.fixture(scope="module")
def runtime(account: Account) -> "SageMakerFeatureStoreRuntimeClient":
    client: SageMakerFeatureStoreRuntimeClient = account.client("sagemaker-featurestore-runtime")
    return client


@pytest.fixture
def record_id() -> str:
    return f"2023-11-15 12:00:00 {uuid.uuid4()}"


def eventually(look: Callable[[], T | None], patience_s: float) -> T:
    clock, never = SystemClock(), threading.Event()
    deadline = clock.monotonic() + patience_s
    while (found := look()) is None:
        assert clock.monotonic() < deadline, "it did not come to pass in time"
        clock.wait(never, min(patience_s / 100, 5.0))
    return found


def group_request(account: Account, **changes: Any) -> dict[str, Any]:
    request = {
        "FeatureGroupName": f"contract-{uuid.uuid4()}",
        "RecordIdentifierFeatureName": "minute",
        "EventTimeFeatureName": "event_time",
        "FeatureDefinitions": [
            {"FeatureName": name, "FeatureType": kind} for name, kind in FEATURES.items()
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
        "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": f"s3://{account.bucket}/contract"}},
        "RoleArn": account.role_arn,
    }
    merged = request | changes
    return {name: value for name, value in merged.items() if value is not None}


def created_group(account: Account, **changes: Any) -> str:
    control: SageMakerClient = account.client("sagemaker")
    request = group_request(account, **changes)
    control.create_feature_group(**request)
    name: str = request["FeatureGroupName"]

    def status() -> str | None:
        found = control.describe_feature_group(FeatureGroupName=name)["FeatureGroupStatus"]
        return None if found == "Creating" else found

    assert eventually(status, account.patience_s) == "Created"
    return name


@pytest.fixture(scope="module")
def both(account: Account) -> str:
    return created_group(account)


@pytest.fixture(scope="module")
def online_only(account: Account) -> str:
    return created_group(account, OfflineStoreConfig=None)


@pytest.fixture(scope="module")
def offline_only(account: Account) -> str:
    return created_group(account, OnlineStoreConfig=None)


def values_of(record_id: str, event_time: object = NOON_S, **others: object) -> list[Any]:
    values = {"minute": record_id, "event_time": event_time} | others
    return [{"FeatureName": name, "ValueAsString": str(value)} for name, value in values.items()]


def online_values(
    runtime: "SageMakerFeatureStoreRuntimeClient", group: str, record_id: str
) -> dict[str, str]:
    answer = runtime.get_record(FeatureGroupName=group, RecordIdentifierValueAsString=record_id)
    return {value["FeatureName"]: value["ValueAsString"] for value in answer.get("Record", [])}


def offline_rows(account: Account, group: str, record_id: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for _, table in offline_tables(account, group):
        rows += [row for row in table.to_pylist() if row["minute"] == record_id]
    return sorted(rows, key=lambda row: (row["api_invocation_time"], row["write_time"]))


def offline_tables(account: Account, group: str) -> list[tuple[str, pa.Table]]:
    described = account.client("sagemaker").describe_feature_group(FeatureGroupName=group)
    uri = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    prefix = uri.removeprefix(f"s3://{account.bucket}/") + "/"
    s3 = account.client("s3")
    keys = [
        each["Key"]
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=account.bucket, Prefix=prefix
        )
        for each in page.get("Contents", [])
    ]
    bodies = [s3.get_object(Bucket=account.bucket, Key=key)["Body"].read() for key in keys]
    tables = [pq.read_table(io.BytesIO(body)) for body in bodies]
    return [(key.removeprefix(prefix), table) for key, table in zip(keys, tables, strict=True)]


def await_rows(account: Account, group: str, record_id: str, count: int) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]] | None:
        rows = offline_rows(account, group, record_id)
        return rows if len(rows) >= count else None

    rows = eventually(look, account.patience_s)
    assert len(rows) == count
    return rows


def refusal_of(call: Callable[..., Any], **params: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


# --- putting and getting


def test_a_record_comes_back_as_the_strings_put_in_definition_order(
    runtime: Any, online_only: str, record_id: str
) -> None:
    record = values_of(record_id, "1700049600.50", fee="17.0", count="08")
    runtime.put_record(FeatureGroupName=online_only, Record=record[::-1])
    answer = runtime.get_record(
        FeatureGroupName=online_only, RecordIdentifierValueAsString=record_id
    )
    assert [(v["FeatureName"], v["ValueAsString"]) for v in answer["Record"]] == [
        ("minute", record_id),
        ("event_time", "1700049600.50"),
        ("count", "08"),
        ("fee", "17.0"),
    ]


def test_an_arn_serves_as_well_as_a_name(
    runtime: Any, control: Any, online_only: str, record_id: str
) -> None:
    arn = control.describe_feature_group(FeatureGroupName=online_only)["FeatureGroupArn"]
    runtime.put_record(FeatureGroupName=arn, Record=values_of(record_id))
    assert online_values(runtime, arn, record_id)["minute"] == record_id


def test_an_unknown_identifier_is_no_error_but_an_answer_without_record(
    runtime: Any, online_only: str, record_id: str
) -> None:
    answer = runtime.get_record(
        FeatureGroupName=online_only, RecordIdentifierValueAsString=record_id
    )
    assert "Record" not in answer


@pytest.mark.parametrize("event_time", [NOON_S - 1, NOON_S])
def test_an_older_or_equal_event_time_leaves_the_online_record_as_it_is(
    runtime: Any, online_only: str, record_id: str, event_time: int
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id, count=1))
    runtime.put_record(
        FeatureGroupName=online_only, Record=values_of(record_id, event_time, count=2)
    )
    assert online_values(runtime, online_only, record_id)["count"] == "1"


def test_a_newer_event_time_replaces_the_whole_record(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id, count=1))
    later = values_of(record_id, f"{NOON_S}.001", fee=2.5)
    runtime.put_record(FeatureGroupName=online_only, Record=later)
    found = online_values(runtime, online_only, record_id)
    assert found == {"minute": record_id, "event_time": f"{NOON_S}.001", "fee": "2.5"}


def test_feature_names_restrict_what_is_returned(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id, count=1, fee=2))
    answer = runtime.get_record(
        FeatureGroupName=online_only,
        RecordIdentifierValueAsString=record_id,
        FeatureNames=["fee", "count"],
    )
    assert [value["FeatureName"] for value in answer["Record"]] == ["count", "fee"]


def test_a_record_that_has_outlived_its_ttl_is_not_returned(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(
        FeatureGroupName=online_only,
        Record=values_of(record_id),
        TtlDuration={"Unit": "Days", "Value": 1},
    )
    assert online_values(runtime, online_only, record_id) == {}


def test_expires_at_is_event_time_plus_ttl_and_is_told_on_request_only(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(
        FeatureGroupName=online_only,
        Record=values_of(record_id, 4_000_000_000),
        TtlDuration={"Unit": "Minutes", "Value": 2},
    )
    params = {"FeatureGroupName": online_only, "RecordIdentifierValueAsString": record_id}
    assert "ExpiresAt" not in runtime.get_record(**params)
    answer = runtime.get_record(**params, ExpirationTimeResponse="Enabled")
    assert answer["ExpiresAt"] == "2096-10-02T07:08:40Z"


def test_a_store_that_the_group_lacks_is_refused(
    runtime: Any, online_only: str, offline_only: str, record_id: str
) -> None:
    record = values_of(record_id)
    for group, store in ((online_only, "OfflineStore"), (offline_only, "OnlineStore")):
        refusal = refusal_of(
            runtime.put_record, FeatureGroupName=group, Record=record, TargetStores=[store]
        )
        assert refusal == ("ValidationError", 400)


def test_a_group_without_online_store_gives_no_records(
    runtime: Any, offline_only: str, record_id: str
) -> None:
    params = {"FeatureGroupName": offline_only, "RecordIdentifierValueAsString": record_id}
    assert refusal_of(runtime.get_record, **params) == ("ValidationError", 400)


def test_an_unknown_group_is_a_validation_error_to_writers_and_not_found_to_readers(
    runtime: Any, record_id: str
) -> None:
    with pytest.raises(ClientError, match=r"can't find a FeatureGroup with name \[nobody\]") as put:
        runtime.put_record(FeatureGroupName="nobody", Record=values_of(record_id))
    assert put.value.response["Error"]["Code"] == "ValidationError"
    params = {"FeatureGroupName": "nobody", "RecordIdentifierValueAsString": record_id}
    assert refusal_of(runtime.get_record, **params) == ("ResourceNotFound", 404)


@pytest.mark.parametrize(
    "record",
    [
        values_of("a", count="1.0"),
        values_of("a", count=2**63),
        values_of("a", fee="NaN"),
        values_of("a", fee="inf"),
        values_of("a", event_time="2023-11-15T12:00:00Z"),
        values_of("a", event_time=NOON_S * 1000),
        values_of("a", unheard_of=1),
        values_of("a") + values_of("a"),
        values_of(""),
        values_of("a")[:1],
        values_of("a")[1:],
    ],
    ids=[
        "float for Integral",
        "beyond 64 bits",
        "NaN",
        "infinity",
        "ISO text for Fractional time",
        "milliseconds",
        "unknown feature",
        "feature twice",
        "empty identifier",
        "no event time",
        "no identifier",
    ],
)
def test_a_record_that_does_not_fit_its_group_is_refused(
    runtime: Any, online_only: str, record: list[Any]
) -> None:
    refusal = refusal_of(runtime.put_record, FeatureGroupName=online_only, Record=record)
    assert refusal == ("ValidationError", 400)


# --- batches


def test_batch_get_returns_what_there_is_and_leaves_out_what_is_not(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id, count=3))
    answer = runtime.batch_get_record(
        Identifiers=[
            {
                "FeatureGroupName": online_only,
                "RecordIdentifiersValueAsString": [record_id, "nothing"],
                "FeatureNames": ["count"],
            }
        ]
    )
    assert answer["Records"] == [
        {
            "FeatureGroupName": online_only,
            "RecordIdentifierValueAsString": record_id,
            "Record": [{"FeatureName": "count", "ValueAsString": "3"}],
        }
    ]
    assert (answer["Errors"], answer["UnprocessedIdentifiers"]) == ([], [])


def test_batch_get_reports_what_it_can_not_read_beside_what_it_can(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id))
    answer = runtime.batch_get_record(
        Identifiers=[
            {"FeatureGroupName": name, "RecordIdentifiersValueAsString": [record_id]}
            for name in (online_only, "nobody")
        ]
    )
    assert len(answer["Records"]) == 1
    assert [error["FeatureGroupName"] for error in answer["Errors"]] == ["nobody"]


def test_batch_write_writes_the_good_entries_and_returns_the_bad_ones(
    runtime: Any, online_only: str, record_id: str
) -> None:
    entries = [
        {"FeatureGroupName": online_only, "Record": values_of(record_id, count="one")},
        {"FeatureGroupName": online_only, "Record": values_of(record_id, count=1)},
    ]
    answer = runtime.batch_write_record(Entries=entries)
    assert [error["Entry"] for error in answer["Errors"]] == entries[:1]
    assert answer["Errors"][0]["ErrorCode"] == "ValidationError"
    assert answer["UnprocessedEntries"] == []
    assert online_values(runtime, online_only, record_id)["count"] == "1"


def test_a_batch_above_its_limit_is_refused_though_botocore_lets_it_out(
    runtime: Any, online_only: str, record_id: str
) -> None:
    entry = {"FeatureGroupName": online_only, "Record": values_of(record_id)}
    assert refusal_of(runtime.batch_write_record, Entries=[entry] * 26) == ("ValidationError", 400)


# --- deleting


def test_a_soft_delete_hides_the_record_and_history_does_not_bring_it_back(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id))
    runtime.delete_record(
        FeatureGroupName=online_only,
        RecordIdentifierValueAsString=record_id,
        EventTime=str(NOON_S + 10),
    )
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id, NOON_S + 5))
    assert online_values(runtime, online_only, record_id) == {}


def test_a_soft_delete_with_an_old_event_time_leaves_the_record(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id))
    runtime.delete_record(
        FeatureGroupName=online_only,
        RecordIdentifierValueAsString=record_id,
        EventTime=str(NOON_S),
    )
    assert online_values(runtime, online_only, record_id) != {}


def test_a_hard_delete_forgets_and_refuses_an_old_event_time(
    runtime: Any, online_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id))
    params = {
        "FeatureGroupName": online_only,
        "RecordIdentifierValueAsString": record_id,
        "DeletionMode": "HardDelete",
    }
    refusal = refusal_of(runtime.delete_record, **params, EventTime=str(NOON_S))
    assert refusal == ("ValidationError", 400)
    runtime.delete_record(**params, EventTime=str(NOON_S + 1))
    runtime.put_record(FeatureGroupName=online_only, Record=values_of(record_id))
    assert online_values(runtime, online_only, record_id) != {}


# --- the offline store


def test_every_put_becomes_an_offline_row_also_the_historic_ones(
    runtime: Any, account: Account, both: str, record_id: str
) -> None:
    for event_time, count in ((NOON_S, 1), (NOON_S, 2), (NOON_S - 1, 3)):
        record = values_of(record_id, event_time, count=count)
        runtime.put_record(FeatureGroupName=both, Record=record)
    rows = await_rows(account, both, record_id, 3)
    assert sorted(row["count"] for row in rows) == [1, 2, 3]
    assert online_values(runtime, both, record_id)["count"] == "1"


def test_target_stores_choose_where_a_record_goes(
    runtime: Any, account: Account, both: str, record_id: str
) -> None:
    runtime.put_record(
        FeatureGroupName=both,
        Record=values_of(record_id, count=1),
        TargetStores=["OfflineStore"],
    )
    assert online_values(runtime, both, record_id) == {}
    runtime.put_record(
        FeatureGroupName=both,
        Record=values_of(record_id, count=2),
        TargetStores=["OnlineStore"],
    )
    assert online_values(runtime, both, record_id)["count"] == "2"
    assert [row["count"] for row in await_rows(account, both, record_id, 1)] == [1]


def test_a_deletion_leaves_a_tombstone_offline(
    runtime: Any, account: Account, offline_only: str, record_id: str
) -> None:
    runtime.put_record(FeatureGroupName=offline_only, Record=values_of(record_id, count=1))
    runtime.delete_record(
        FeatureGroupName=offline_only,
        RecordIdentifierValueAsString=record_id,
        EventTime=str(NOON_S + 1),
    )
    rows = await_rows(account, offline_only, record_id, 2)
    dead = next(row for row in rows if row["is_deleted"])
    assert (dead["event_time"], dead["count"]) == (NOON_S + 1, None)


def test_offline_objects_lie_by_the_hour_of_the_event_with_typed_columns(
    runtime: Any, account: Account, record_id: str
) -> None:
    group = created_group(account)
    runtime.put_record(FeatureGroupName=group, Record=values_of(record_id, fee=0.5))
    await_rows(account, group, record_id, 1)
    [(key, table)] = offline_tables(account, group)
    partition, _, name = key.rpartition("/")
    assert partition == "year=2023/month=11/day=15/hour=12"
    stamp, _, token = name.removesuffix(".parquet").partition("_")
    assert (stamp, len(token), token.isalnum()) == ("20231115T120000Z", 16, True)
    assert table.column_names == [*FEATURES, "write_time", "api_invocation_time", "is_deleted"]
    assert table.schema.types[:4] == [pa.string(), pa.float64(), pa.int64(), pa.float64()]
    assert pa.types.is_timestamp(table.schema.field("write_time").type)
    assert pa.types.is_boolean(table.schema.field("is_deleted").type)


def test_a_glue_table_describes_the_offline_store(
    account: Account, control: Any, both: str
) -> None:
    offline = control.describe_feature_group(FeatureGroupName=both)["OfflineStoreConfig"]
    catalog = offline["DataCatalogConfig"]
    assert catalog["Database"] == "sagemaker_featurestore"
    table = account.client("glue").get_table(
        DatabaseName=catalog["Database"], Name=catalog["TableName"]
    )["Table"]["StorageDescriptor"]
    assert table["Location"] == offline["S3StorageConfig"]["ResolvedOutputS3Uri"]
    assert [(column["Name"], column["Type"]) for column in table["Columns"]] == [
        ("minute", "string"),
        ("event_time", "double"),
        ("count", "bigint"),
        ("fee", "double"),
        ("write_time", "timestamp"),
        ("api_invocation_time", "timestamp"),
        ("is_deleted", "boolean"),
    ]


# --- feature groups


def test_a_group_is_creating_before_it_is_created(account: Account, control: Any) -> None:
    request = group_request(account, OfflineStoreConfig=None)
    control.create_feature_group(**request)
    described = control.describe_feature_group(FeatureGroupName=request["FeatureGroupName"])
    assert described["FeatureGroupStatus"] == "Creating"
    assert described["NextToken"] == ""


def test_a_group_is_described_as_it_was_asked_for(account: Account, control: Any) -> None:
    tags = [{"Key": "team", "Value": "features"}]
    name = created_group(
        account,
        OnlineStoreConfig={"EnableOnlineStore": True, "TtlDuration": {"Unit": "Days", "Value": 7}},
        Description="by the minute",
        Tags=tags,
    )
    described = control.describe_feature_group(FeatureGroupName=name)
    request = group_request(account)
    assert described["FeatureDefinitions"] == request["FeatureDefinitions"]
    assert described["Description"] == "by the minute"
    assert described["OnlineStoreConfig"]["TtlDuration"] == {"Unit": "Days", "Value": 7}
    assert described["OfflineStoreStatus"] == {"Status": "Active"}
    resolved = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    created_at_s = int(described["CreationTime"].timestamp())
    assert resolved.startswith(f"s3://{account.bucket}/contract/")
    assert resolved.endswith(f"/offline-store/{name}-{created_at_s}/data")
    assert control.list_tags(ResourceArn=described["FeatureGroupArn"])["Tags"] == tags


def test_a_name_can_be_taken_once(account: Account, control: Any, both: str) -> None:
    request = group_request(account, FeatureGroupName=both)
    assert refusal_of(control.create_feature_group, **request) == ("ResourceInUse", 400)


def test_an_unknown_group_is_not_found(control: Any) -> None:
    operations = (
        control.describe_feature_group,
        control.update_feature_group,
        control.delete_feature_group,
    )
    for operation in operations:
        assert refusal_of(operation, FeatureGroupName="nobody") == ("ResourceNotFound", 400)


@pytest.mark.parametrize(
    "changes",
    [
        {"FeatureGroupName": "ends-in-a-hyphen-"},
        {"FeatureGroupName": "x" * 65},
        {"RecordIdentifierFeatureName": "undefined"},
        {"EventTimeFeatureName": "count"},
        {"OnlineStoreConfig": None, "OfflineStoreConfig": None},
        {"FeatureDefinitions": [{"FeatureName": "minute", "FeatureType": "Integer"}]},
    ],
    ids=["pattern", "length", "identifier", "event time type", "no store", "feature type"],
)
def test_a_group_that_makes_no_sense_is_refused(
    account: Account, control: Any, changes: dict[str, Any]
) -> None:
    request = group_request(account, **changes)
    assert refusal_of(control.create_feature_group, **request) == ("ValidationException", 400)


@pytest.mark.parametrize("name", ["is_deleted", "write_time", "api_invocation_time"])
def test_the_names_of_the_offline_columns_are_reserved(
    account: Account, control: Any, name: str
) -> None:
    request = group_request(account)
    request["FeatureDefinitions"].append({"FeatureName": name, "FeatureType": "String"})
    assert refusal_of(control.create_feature_group, **request) == ("ValidationException", 400)


def test_features_can_be_added_and_then_be_put(
    account: Account, control: Any, runtime: Any, record_id: str
) -> None:
    group = created_group(account, OfflineStoreConfig=None)
    added = {"FeatureName": "share", "FeatureType": "Fractional"}
    control.update_feature_group(FeatureGroupName=group, FeatureAdditions=[added])

    def described() -> dict[str, Any] | None:
        found: dict[str, Any] = control.describe_feature_group(FeatureGroupName=group)
        return found if found["LastUpdateStatus"]["Status"] == "Successful" else None

    assert eventually(described, account.patience_s)["FeatureDefinitions"][-1] == added
    runtime.put_record(FeatureGroupName=group, Record=values_of(record_id, share=0.25))
    assert online_values(runtime, group, record_id)["share"] == "0.25"


def test_groups_are_listed_by_name_page_by_page(account: Account, control: Any) -> None:
    stem = f"listed-{uuid.uuid4()}"
    names = [f"{stem}-{letter}" for letter in "abc"]
    for name in names:
        created_group(account, FeatureGroupName=name, OfflineStoreConfig=None)
    pages = control.get_paginator("list_feature_groups").paginate(
        NameContains=stem, SortBy="Name", SortOrder="Ascending", PaginationConfig={"PageSize": 2}
    )
    found = [[each["FeatureGroupName"] for each in page["FeatureGroupSummaries"]] for page in pages]
    assert found == [names[:2], names[2:]]


def test_a_deleted_group_is_gone_and_its_offline_rows_stay(
    account: Account, control: Any, runtime: Any, record_id: str
) -> None:
    group = created_group(account)
    runtime.put_record(FeatureGroupName=group, Record=values_of(record_id))
    await_rows(account, group, record_id, 1)
    described = control.describe_feature_group(FeatureGroupName=group)
    control.delete_feature_group(FeatureGroupName=group)

    def gone() -> bool | None:
        listed = control.list_feature_groups(NameContains=group)["FeatureGroupSummaries"]
        return None if listed else True

    assert eventually(gone, account.patience_s)
    uri = described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"]
    listed = account.client("s3").list_objects_v2(
        Bucket=account.bucket, Prefix=uri.removeprefix(f"s3://{account.bucket}/")
    )
    assert listed["KeyCount"] == 1
