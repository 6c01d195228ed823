from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from txfeatures.bootstrap.bucket import ensure_bucket


@pytest.fixture
def stub() -> Iterator[Stubber]:
    with Stubber(boto3.Session("any", "any", region_name="eu-west-1").client("s3")) as stub:
        yield stub
        stub.assert_no_pending_responses()


def s3_of(stub: Stubber) -> Any:
    return stub.client


def test_a_bucket_that_is_there_is_left_as_it_is(stub: Stubber) -> None:
    stub.add_response("head_bucket", {}, {"Bucket": "txfeatures"})
    assert ensure_bucket(s3_of(stub), "txfeatures") == "exists already"


def test_a_missing_bucket_is_made_in_the_region(stub: Stubber) -> None:
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    region = {"LocationConstraint": "eu-west-1"}
    wanted = {"Bucket": "txfeatures", "CreateBucketConfiguration": region}
    stub.add_response("create_bucket", {}, wanted)
    assert ensure_bucket(s3_of(stub), "txfeatures") == "created"


def test_in_the_first_region_a_bucket_is_made_without_its_name(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub.client.meta.config, "region_name", "us-east-1")
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    stub.add_response("create_bucket", {}, {"Bucket": "txfeatures"})
    assert ensure_bucket(s3_of(stub), "txfeatures") == "created"


def test_a_bucket_that_belongs_to_somebody_else_is_refused(stub: Stubber) -> None:
    stub.add_client_error("head_bucket", "403", "Forbidden", http_status_code=403)
    with pytest.raises(ClientError, match="403"):
        ensure_bucket(s3_of(stub), "txfeatures")


def test_a_bucket_made_by_an_attempt_whose_answer_was_lost_is_made(stub: Stubber) -> None:
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    stub.add_client_error("create_bucket", "BucketAlreadyOwnedByYou", http_status_code=409)
    assert ensure_bucket(s3_of(stub), "txfeatures") == "created"
