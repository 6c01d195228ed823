"""The local AWS in a process of its own, killed while others write."""

import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from featurestore_local.clock import SystemClock

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
BUCKET = "bucket"
GROUP = "g"
KILLS = 3
WRITERS = 4
WRITES_BEFORE_A_KILL = 25
PATIENCE_S = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class KilledAws:
    """A local AWS with a journal, that is killed and started again on the same port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._clock = SystemClock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "featurestore_local", "--port", str(self._port)]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--journal", str(self._directory / "journal"), "--offline-delay-s=0.1"],
                stdout=log,
                stderr=log,
            )
        deadline = self._clock.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._clock.monotonic() < deadline, (self._directory / "log").read_text()
            self._clock.wait(threading.Event(), 0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def client(self, service: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=WRITERS),
        )

    def flush(self) -> None:
        request = urllib.request.Request(f"{self.url}/_local/flush", method="POST")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            assert json.load(answer) == {"rows_left": 0}

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self.url}/moto-api/").close()
        except urllib.error.URLError:
            return False
        return True


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[KilledAws]:
    with KilledAws(tmp_path) as aws:
        yield aws


def create_group(aws: KilledAws) -> None:
    aws.client("s3").create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    sagemaker = aws.client("sagemaker")
    sagemaker.create_feature_group(
        FeatureGroupName=GROUP,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="time",
        FeatureDefinitions=[
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "time", "FeatureType": "Fractional"},
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
        OfflineStoreConfig={"S3StorageConfig": {"S3Uri": f"s3://{BUCKET}/offline"}},
        RoleArn="arn:aws:iam::123456789012:role/any",
    )
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_S
    while sagemaker.describe_feature_group(FeatureGroupName=GROUP)["FeatureGroupStatus"] != (
        "Created"
    ):
        assert clock.monotonic() < deadline
        clock.wait(threading.Event(), 0.05)


def write_until_killed(aws: KilledAws, writer: int, first: int, enough: threading.Event) -> int:
    """Put a record and an object, number by number; return the first that wasn't acknowledged."""
    runtime, s3 = aws.client("sagemaker-featurestore-runtime"), aws.client("s3")
    number = first
    try:
        while True:
            name = f"{writer}-{number}"
            record = [{"FeatureName": "id", "ValueAsString": name}]
            record.append({"FeatureName": "time", "ValueAsString": str(number + 1)})
            runtime.put_record(FeatureGroupName=GROUP, Record=record)
            s3.put_object(Bucket=BUCKET, Key=f"objects/{name}", Body=name.encode())
            number += 1
            if number - first >= WRITES_BEFORE_A_KILL:
                enough.set()
    except BotoCoreError:  # the connection has ended
        return number


def offline_names(aws: KilledAws) -> list[str]:
    pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return [key for key in keys if key.endswith(".parquet")]


def offline_ids(aws: KilledAws, directory: Path) -> list[str]:
    s3 = aws.client("s3")
    found: list[str] = []
    for key in offline_names(aws):
        path = directory / "object.parquet"
        path.write_bytes(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        found += pq.read_table(path)["id"].to_pylist()
    return found


def test_what_was_acknowledged_is_there_once_after_sigkills(aws: KilledAws, tmp_path: Path) -> None:
    create_group(aws)
    reached = [0] * WRITERS
    for _ in range(KILLS):
        enough = threading.Event()
        with ThreadPoolExecutor(WRITERS) as threads:
            writers = [
                threads.submit(write_until_killed, aws, writer, reached[writer], enough)
                for writer in range(WRITERS)
            ]
            assert enough.wait(PATIENCE_S)
            before = offline_names(aws)
            aws.kill()
        reached = [writer.result() for writer in writers]
        aws.__enter__()
        assert {*before} <= {*offline_names(aws)}
    aws.flush()
    acknowledged = {
        f"{writer}-{number}" for writer in range(WRITERS) for number in range(reached[writer])
    }
    unsure = {f"{writer}-{reached[writer]}" for writer in range(WRITERS)}
    ids = offline_ids(aws, tmp_path)
    assert acknowledged <= {*ids} <= acknowledged | unsure
    # A record whose answer a kill took away was put again, and is a row again then, as on AWS.
    assert len(ids) <= len({*ids}) + KILLS * WRITERS
    runtime, s3 = aws.client("sagemaker-featurestore-runtime"), aws.client("s3")
    for name in acknowledged:
        found = runtime.get_record(FeatureGroupName=GROUP, RecordIdentifierValueAsString=name)
        assert found["Record"][0]["ValueAsString"] == name
        assert s3.get_object(Bucket=BUCKET, Key=f"objects/{name}")["Body"].read() == name.encode()


def test_a_second_start_repeats_no_less_than_the_first(aws: KilledAws) -> None:
    create_group(aws)
    runtime = aws.client("sagemaker-featurestore-runtime")
    record = [{"FeatureName": n, "ValueAsString": v} for n, v in (("id", "a"), ("time", "1"))]
    runtime.put_record(FeatureGroupName=GROUP, Record=record)
    aws.flush()
    names = offline_names(aws)
    described = aws.client("sagemaker").describe_feature_group(FeatureGroupName=GROUP)
    for _ in range(2):
        aws.kill()
        aws.__enter__()
        again = aws.client("sagemaker").describe_feature_group(FeatureGroupName=GROUP)
        assert {**again, "ResponseMetadata": None} == {**described, "ResponseMetadata": None}
        assert offline_names(aws) == names
        location = described["OfflineStoreConfig"]["DataCatalogConfig"]
        table = aws.client("glue").get_table(
            DatabaseName=location["Database"], Name=location["TableName"]
        )
        assert table["Table"]["Name"] == location["TableName"]
