import json
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from featurestore_local import LocalAws
from featurestore_local.clock import SystemClock
from featurestore_local.errors import LocalStoreError

pytestmark = pytest.mark.integration


class JumpingClock(SystemClock):
    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def aws(clock: JumpingClock) -> Iterator[LocalAws]:
    with LocalAws(offline_delay_s=3600.0, settling_s=60.0, clock=clock) as started:
        yield started


def client(aws: LocalAws, service: Any, **config: Any) -> Any:
    session = boto3.Session("any", "any", region_name=aws.region)
    return session.client(service, endpoint_url=aws.endpoint_url, config=Config(**config))


def local(aws: LocalAws, method: str, path: str, content: object = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{aws.endpoint_url}/_local/{path}", body, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.fixture
def group(aws: LocalAws, clock: JumpingClock) -> str:
    client(aws, "sagemaker").create_feature_group(
        FeatureGroupName="g",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="time",
        FeatureDefinitions=[
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "time", "FeatureType": "Fractional"},
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": "s3://missing"}},
        RoleArn="arn:aws:iam::123456789012:role/any",
    )
    clock.ahead_s += 60.0
    return "g"


def put(runtime: Any, group: str, record_id: str = "a", time: int = 1, **params: Any) -> None:
    values = {"id": record_id, "time": str(time)}
    record = [{"FeatureName": n, "ValueAsString": v} for n, v in values.items()]
    runtime.put_record(FeatureGroupName=group, Record=record, **params)


def test_plain_boto3_retries_what_was_ordered(aws: LocalAws, group: str) -> None:
    fault = {"operation": "PutRecord", "error": "ThrottlingException", "times": 2}
    local(aws, "POST", "faults", [fault])
    put(client(aws, "sagemaker-featurestore-runtime"), group)
    assert local(aws, "GET", "counts")["PutRecord"] == 3


def test_a_lost_answer_is_a_closed_connection_and_the_record_is_there(
    aws: LocalAws, group: str
) -> None:
    local(aws, "POST", "faults", [{"operation": "PutRecord", "error": "commit_then_drop"}])
    runtime = client(aws, "sagemaker-featurestore-runtime", retries={"total_max_attempts": 1})
    with pytest.raises(ConnectionClosedError):
        put(runtime, group)
    answer = runtime.get_record(FeatureGroupName=group, RecordIdentifierValueAsString="a")
    assert "Record" in answer


def test_stopping_releases_hanging_calls(clock: JumpingClock) -> None:
    with LocalAws(clock=clock) as aws:
        local(aws, "POST", "faults", [{"operation": "GetRecord", "error": "hang", "hang_s": 3600}])
        runtime = client(
            aws,
            "sagemaker-featurestore-runtime",
            read_timeout=0.2,
            retries={"total_max_attempts": 1},
        )
        with pytest.raises(ReadTimeoutError):
            runtime.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="a")


def test_rows_without_a_bucket_wait_until_there_is_one(aws: LocalAws, group: str) -> None:
    put(client(aws, "sagemaker-featurestore-runtime"), group)
    assert local(aws, "POST", "flush") == {"rows_left": 1}
    sagemaker = client(aws, "sagemaker")
    status = sagemaker.describe_feature_group(FeatureGroupName=group)["OfflineStoreStatus"]
    assert (status["Status"], "NoSuchBucket" in status["BlockedReason"]) == ("Blocked", True)
    s3 = client(aws, "s3")
    s3.create_bucket(Bucket="missing", CreateBucketConfiguration={"LocationConstraint": aws.region})
    assert local(aws, "POST", "flush") == {"rows_left": 0}
    assert s3.list_objects_v2(Bucket="missing")["KeyCount"] == 1


def test_records_expire_by_the_clock(aws: LocalAws, group: str, clock: JumpingClock) -> None:
    runtime = client(aws, "sagemaker-featurestore-runtime")
    ttl = {"Unit": "Minutes", "Value": 1}
    put(runtime, group, time=int(clock.now()), TtlDuration=ttl)
    params = {"FeatureGroupName": group, "RecordIdentifierValueAsString": "a"}
    assert "Record" in runtime.get_record(**params)
    clock.ahead_s += 61.0
    assert "Record" not in runtime.get_record(**params)


def test_tags_of_other_resources_and_other_operations_are_motos(aws: LocalAws) -> None:
    sagemaker = client(aws, "sagemaker")
    domain = sagemaker.create_domain(
        DomainName="d",
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": "arn:aws:iam::123456789012:role/any"},
        SubnetIds=["subnet-1"],
        VpcId="vpc-1",
        Tags=[{"Key": "a", "Value": "b"}],
    )
    tags = sagemaker.list_tags(ResourceArn=domain["DomainArn"])["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]


def test_large_objects_pass_unharmed(aws: LocalAws) -> None:
    s3 = client(aws, "s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": aws.region})
    body = bytes(range(256)) * 20_000
    s3.put_object(Bucket="bucket", Key="a key/with ü%2F", Body=body, Metadata={"k": "v"})
    found = s3.get_object(Bucket="bucket", Key="a key/with ü%2F")
    assert (found["Body"].read() == body, found["Metadata"]) == (True, {"k": "v"})
    assert s3.head_object(Bucket="bucket", Key="a key/with ü%2F")["ContentLength"] == len(body)
    with pytest.raises(ClientError, match="404"):
        s3.head_object(Bucket="bucket", Key="nothing")


def test_a_new_start_has_forgotten_everything_and_keeps_the_port(clock: JumpingClock) -> None:
    aws = LocalAws(clock=clock)
    with aws:
        endpoint_url = aws.endpoint_url
        client(aws, "s3").create_bucket(
            Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": aws.region}
        )
    with aws:
        assert aws.endpoint_url == endpoint_url
        assert client(aws, "s3").list_buckets()["Buckets"] == []


def test_a_taken_port_refuses_the_start(aws: LocalAws) -> None:
    port = int(aws.endpoint_url.rpartition(":")[2])
    with pytest.raises(LocalStoreError, match="choose another"):
        LocalAws(port=port).start()


def test_of_two_conditional_puts_at_once_one_is_refused(aws: LocalAws) -> None:
    s3 = client(aws, "s3", max_pool_connections=8)
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": aws.region})

    def put(number: int) -> str:
        try:
            s3.put_object(Bucket="bucket", Key="lease", Body=b"%d" % number, IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "taken"

    with ThreadPoolExecutor(8) as threads:
        outcomes = sorted(threads.map(put, range(16)))
    assert outcomes == ["PreconditionFailed"] * 15 + ["taken"]


def test_a_query_reads_what_was_put(aws: LocalAws, group: str, clock: JumpingClock) -> None:
    s3 = client(aws, "s3")
    s3.create_bucket(Bucket="missing", CreateBucketConfiguration={"LocationConstraint": aws.region})
    put(client(aws, "sagemaker-featurestore-runtime"), group)
    assert local(aws, "POST", "flush") == {"rows_left": 0}
    described = client(aws, "sagemaker").describe_feature_group(FeatureGroupName=group)
    table = described["OfflineStoreConfig"]["DataCatalogConfig"]["TableName"]
    athena = client(aws, "athena")
    query_id = athena.start_query_execution(
        QueryString=f'SELECT id FROM "sagemaker_featurestore"."{table}"',
        ResultConfiguration={"OutputLocation": "s3://missing/results"},
    )["QueryExecutionId"]
    deadline = clock.monotonic() + 30.0
    while athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"][
        "State"
    ] in {"QUEUED", "RUNNING"}:
        assert clock.monotonic() < deadline
        clock.wait(threading.Event(), 0.01)
    rows = athena.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["id", "a"]
