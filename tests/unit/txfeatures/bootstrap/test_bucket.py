from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from txfeatures.bootstrap.bucket import _tls_only, ensure_bucket


@pytest.fixture
def stub() -> Iterator[Stubber]:
    with Stubber(boto3.Session("any", "any", region_name="eu-west-1").client("s3")) as stub:
        yield stub
        stub.assert_no_pending_responses()


def s3_of(stub: Stubber) -> Any:
    return stub.client


def expect_protection(stub: Stubber, key: str | None = None, *, is_tls: bool = True) -> None:
    """Expect the calls that make a new bucket private, encrypted, versioned and for TLS only."""
    stub.add_response("put_public_access_block", {}, with_any("PublicAccessBlockConfiguration"))
    if key is not None:
        default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rule = {"ApplyServerSideEncryptionByDefault": default, "BucketKeyEnabled": True}
        wanted = {"Bucket": "txfeatures", "ServerSideEncryptionConfiguration": {"Rules": [rule]}}
        stub.add_response("put_bucket_encryption", {}, wanted)
    versioning = {"Bucket": "txfeatures", "VersioningConfiguration": {"Status": "Enabled"}}
    stub.add_response("put_bucket_versioning", {}, versioning)
    stub.add_response("put_bucket_lifecycle_configuration", {}, with_any("LifecycleConfiguration"))
    if is_tls:
        stub.add_response("put_bucket_policy", {}, with_any("Policy"))


def with_any(parameter: str) -> dict[str, Any]:
    return {"Bucket": "txfeatures", parameter: ANY}


def test_a_bucket_that_is_there_is_left_as_it_is(stub: Stubber) -> None:
    stub.add_response("head_bucket", {}, {"Bucket": "txfeatures"})
    assert ensure_bucket(s3_of(stub), "txfeatures") == "exists already"


def test_a_missing_bucket_is_made_in_the_region(stub: Stubber) -> None:
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    region = {"LocationConstraint": "eu-west-1"}
    wanted = {"Bucket": "txfeatures", "CreateBucketConfiguration": region}
    stub.add_response("create_bucket", {}, wanted)
    expect_protection(stub)
    assert ensure_bucket(s3_of(stub), "txfeatures") == "created"


def test_in_the_first_region_a_bucket_is_made_without_its_name(
    stub: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stub.client.meta.config, "region_name", "us-east-1")
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    stub.add_response("create_bucket", {}, {"Bucket": "txfeatures"})
    expect_protection(stub)
    assert ensure_bucket(s3_of(stub), "txfeatures") == "created"


def test_a_bucket_that_belongs_to_somebody_else_is_refused(stub: Stubber) -> None:
    stub.add_client_error("head_bucket", "403", "Forbidden", http_status_code=403)
    with pytest.raises(ClientError, match="403"):
        ensure_bucket(s3_of(stub), "txfeatures")


def test_a_bucket_made_by_an_attempt_whose_answer_was_lost_is_made(stub: Stubber) -> None:
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    stub.add_client_error("create_bucket", "BucketAlreadyOwnedByYou", http_status_code=409)
    expect_protection(stub)
    assert ensure_bucket(s3_of(stub), "txfeatures") == "created"


def test_a_bucket_is_encrypted_with_the_key_that_is_given(stub: Stubber) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    stub.add_client_error("head_bucket", "404", http_status_code=404)
    stub.add_response("create_bucket", {}, with_any("CreateBucketConfiguration"))
    expect_protection(stub, key)
    assert ensure_bucket(s3_of(stub), "txfeatures", kms_key_arn=key) == "created"


def test_a_bucket_that_is_reached_without_tls_does_not_demand_it() -> None:
    session = boto3.Session("any", "any", region_name="eu-west-1")
    with Stubber(session.client("s3", endpoint_url="http://127.0.0.1:1")) as stub:
        stub.add_client_error("head_bucket", "404", http_status_code=404)
        stub.add_response("create_bucket", {}, with_any("CreateBucketConfiguration"))
        expect_protection(stub, is_tls=False)
        assert ensure_bucket(s3_of(stub), "txfeatures") == "created"
        stub.assert_no_pending_responses()


def test_only_tls_may_reach_a_bucket(stub: Stubber) -> None:
    policy: Any = _tls_only(s3_of(stub), "txfeatures")
    [statement] = policy["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["arn:aws:s3:::txfeatures", "arn:aws:s3:::txfeatures/*"]
