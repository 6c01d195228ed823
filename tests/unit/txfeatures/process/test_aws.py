from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from txfeatures.domain.errors import SettingsError
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

MAKERS = (aws.s3, aws.glue, aws.athena, aws.sagemaker, aws.feature_store)


@pytest.fixture(autouse=True)
def _local_credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    aws._session.cache_clear()
    yield
    aws._session.cache_clear()


@pytest.mark.parametrize("make", MAKERS)
def test_a_call_is_made_once_within_the_timeout_set(make: Callable[..., Any]) -> None:
    config = make(AwsSettings(timeout_s=2.5), connections=7).meta.config
    assert (config.connect_timeout, config.read_timeout) == (2.5, 2.5)
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections == 7


def test_clients_share_one_session_and_its_region() -> None:
    settings = AwsSettings()
    assert {make(settings).meta.region_name for make in MAKERS} == {"eu-west-1"}
    assert aws._session() is aws._session()


def test_each_client_speaks_to_its_own_service() -> None:
    names = [make(AwsSettings()).meta.service_model.service_name for make in MAKERS]
    assert names == ["s3", "glue", "athena", "sagemaker", "sagemaker-featurestore-runtime"]


@pytest.mark.parametrize("make", MAKERS)
def test_without_a_region_the_start_is_refused_with_what_to_set(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    if make is aws.s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "no url")
    with pytest.raises(SettingsError, match="set AWS_DEFAULT_REGION"):
        make(AwsSettings())


def test_each_call_of_s3_names_the_owner_that_the_bucket_must_have() -> None:
    client = aws.s3(AwsSettings(bucket_owner="111122223333"))
    wanted = {"Bucket": "txfeatures", "ExpectedBucketOwner": "111122223333"}
    with Stubber(client) as stub:
        stub.add_response("get_object", {}, {**wanted, "Key": "k"})
        stub.add_response("list_objects_v2", {}, wanted)
        stub.add_response("delete_objects", {}, {**wanted, "Delete": ANY})
        client.get_object(Bucket="txfeatures", Key="k")
        client.list_objects_v2(Bucket="txfeatures")
        client.delete_objects(Bucket="txfeatures", Delete={"Objects": [{"Key": "k"}]})
        stub.assert_no_pending_responses()


def test_without_an_owner_none_is_named() -> None:
    client = aws.s3(AwsSettings())
    with Stubber(client) as stub:
        stub.add_response("get_object", {}, {"Bucket": "txfeatures", "Key": "k"})
        client.get_object(Bucket="txfeatures", Key="k")
