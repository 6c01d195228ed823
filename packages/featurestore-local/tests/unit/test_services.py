from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from featurestore_local import LocalAws, server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def light() -> Iterator[Any]:
    """The clients of a local AWS without the extra ``offline``."""
    with ExitStack() as opened:
        patch = opened.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(server, "has_offline_extra", lambda: False)
        aws = opened.enter_context(LocalAws(settling_s=0.0))
        session = boto3.Session("any", "any", region_name=aws.region)
        yield lambda service: session.client(service, endpoint_url=aws.endpoint_url)


def request(**members: Any) -> dict[str, Any]:
    return {
        "FeatureGroupName": "g",
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": [
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "time", "FeatureType": "Fractional"},
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True},
        "RoleArn": "arn:aws:iam::123456789012:role/any",
    } | members


def test_an_online_store_needs_no_extra(light: Any) -> None:
    light("sagemaker").create_feature_group(**request())
    runtime = light("sagemaker-featurestore-runtime")
    record = [
        {"FeatureName": "id", "ValueAsString": "a"},
        {"FeatureName": "time", "ValueAsString": "1"},
    ]
    runtime.put_record(FeatureGroupName="g", Record=record)
    found = runtime.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="a")
    assert found["Record"] == record


def test_an_offline_store_without_its_extra_is_refused_with_the_command_to_install_it(
    light: Any,
) -> None:
    config = {"S3StorageConfig": {"S3Uri": "s3://b"}}
    with pytest.raises(ClientError, match=r'pip install "featurestore-local\[offline\]"'):
        light("sagemaker").create_feature_group(
            **request(FeatureGroupName="h", OfflineStoreConfig=config)
        )
    with pytest.raises(ClientError, match="ResourceNotFound"):
        light("sagemaker").describe_feature_group(FeatureGroupName="h")


def test_a_query_without_its_extra_is_refused(light: Any) -> None:
    with pytest.raises(ClientError, match=r"Athena needs pyarrow, pyiceberg and duckdb"):
        light("athena").start_query_execution(QueryString="SELECT 1")
