import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from featurestore_local import LocalAws
from featurestore_local.moto_process import MotoProcess

pytestmark = pytest.mark.integration

BUCKET = {"Bucket": "bucket", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
GROUP = {
    "FeatureGroupName": "g",
    "RecordIdentifierFeatureName": "id",
    "EventTimeFeatureName": "time",
    "FeatureDefinitions": [
        {"FeatureName": "id", "FeatureType": "String"},
        {"FeatureName": "time", "FeatureType": "Fractional"},
    ],
    "OnlineStoreConfig": {"EnableOnlineStore": True},
}


def client(service: Any, aws: LocalAws | None = None) -> Any:
    session = boto3.Session("any", "any", region_name="eu-west-1")
    return session.client(service, endpoint_url=aws.endpoint_url if aws else None)


@pytest.fixture(scope="module")
def two() -> Iterator[tuple[LocalAws, LocalAws]]:
    with LocalAws() as first, LocalAws() as second:
        yield first, second


def test_the_hosts_own_moto_keeps_its_state() -> None:
    with mock_aws():
        mine = client("s3")
        mine.create_bucket(**BUCKET)
        with LocalAws() as aws:
            assert client("s3", aws).list_buckets()["Buckets"] == []
            client("s3", aws).create_bucket(**BUCKET | {"Bucket": "theirs"})
        assert [bucket["Name"] for bucket in mine.list_buckets()["Buckets"]] == ["bucket"]


def test_two_in_one_process_share_no_feature_group(two: tuple[LocalAws, LocalAws]) -> None:
    client("sagemaker", two[0]).create_feature_group(**GROUP)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client("sagemaker", two[1]).describe_feature_group(FeatureGroupName="g")


def test_two_in_one_process_share_no_bucket(two: tuple[LocalAws, LocalAws]) -> None:
    first, second = (client("s3", aws) for aws in two)
    first.create_bucket(**BUCKET)
    first.put_object(Bucket="bucket", Key="k", Body=b"1")
    second.create_bucket(**BUCKET)
    assert second.list_objects_v2(Bucket="bucket")["KeyCount"] == 0


def test_moto_ends_with_a_killed_parent() -> None:
    program = (
        "from featurestore_local.moto_process import MotoProcess\n"
        "print(MotoProcess()._process.pid, flush=True)\n"
        "input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
        # The child holds its own end of the pipe to our reader until it exits.
        assert parent.stdout.read() == ""


def test_closing_ends_moto() -> None:
    moto = MotoProcess()
    moto.close()
    assert moto._process.poll() == 0
