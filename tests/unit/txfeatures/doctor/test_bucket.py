import json
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.support.modelled_aws import error, modelled_client
from txfeatures.doctor.account import AccountChecks
from txfeatures.doctor.bucket import ABSENT_KEY, PROBE_PREFIX, BucketChecks
from txfeatures.doctor.examination import examine
from txfeatures.process import aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import AwsSettings

KEY = "arn:aws:kms:eu-west-1:111122223333:key/k"
TLS_ONLY = {
    "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}  # fmt: skip


class S3:
    """The operations of S3 on a bucket as bootstrap makes it; ``changes`` replace answers."""

    def __init__(self, **changes: Any) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._answers: dict[str, Any] = {
            "head_bucket": {"BucketRegion": "eu-west-1"},
            "get_bucket_versioning": {"Status": "Enabled"},
            "get_bucket_encryption": error(
                "GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError", ""
            ),
            "get_public_access_block": {
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": True}
            },
            "get_bucket_lifecycle_configuration": {},
            "get_bucket_policy": {"Policy": json.dumps({"Statement": [TLS_ONLY]})},
            "list_objects_v2": {},
            "get_object": error("GetObject", "NoSuchKey", "none"),
            "put_object": error("PutObject", "NoSuchKey", "none"),
        } | changes

    def __call__(self, name: str) -> Any:
        def answer(params: dict[str, Any]) -> Any:
            self.calls.append((name, params))
            found = self._answers[name]
            if isinstance(found, list):
                found = found.pop(0)
            if isinstance(found, Exception):
                raise found
            return found

        return answer


def run(
    monkeypatch: pytest.MonkeyPatch, s3: S3, *, writes: bool = False, **settings: Any
) -> dict[str, tuple[str, str]]:
    client = modelled_client("s3", s3, "eu-west-1")
    monkeypatch.setattr(aws, "s3", lambda _: client)
    used = AwsSettings(**settings)
    account = AccountChecks(used, ManualClock())
    account.account = "111122223333"
    checks = BucketChecks(used, account, writes=writes).checks()
    return {each.check: (each.state, each.sentence) for each in examine(checks)}


def test_a_bucket_of_bootstrap_is_right_and_nothing_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3 = S3()
    found = run(monkeypatch, s3)
    assert {name: state for name, (state, _) in found.items() if state != "ok"} == {
        "right to delete objects": "skipped"
    }
    (put,) = [params for name, params in s3.calls if name == "put_object"]
    assert (put["Key"], put["IfMatch"]) == (ABSENT_KEY, '"doctor"')


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"get_bucket_versioning": {}}, "versioning is off"),
        (
            {
                "get_public_access_block": error(
                    "GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration", ""
                )
            },
            "public access is not blocked",
        ),
        (
            {
                "get_bucket_lifecycle_configuration": error(
                    "GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration", ""
                )
            },
            "it has no life cycle",
        ),
        (
            {"get_bucket_policy": error("GetBucketPolicy", "NoSuchBucketPolicy", "")},
            "accepts requests without TLS",
        ),
        (
            {"get_bucket_policy": {"Policy": json.dumps({"Statement": [{"Effect": "Allow"}]})}},
            "accepts requests without TLS",
        ),
        (
            {"get_bucket_versioning": error("GetBucketVersioning", "AccessDenied", "")},
            "the right s3:GetBucketVersioning on txfeatures is missing",
        ),
    ],
)
def test_a_lack_of_protection_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    state, sentence = run(monkeypatch, S3(**changes))["bucket protection"]
    assert state == "warning"
    assert words in sentence


def test_a_bucket_without_the_wanted_key_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def encrypted(key: str) -> dict[str, Any]:
        rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]}
        return {"ServerSideEncryptionConfiguration": rules}

    for answer, state in ((encrypted(KEY), "ok"), (encrypted(f"{KEY}2"), "warning")):
        found = run(monkeypatch, S3(get_bucket_encryption=answer), kms_key_arn=KEY)
        assert found["bucket protection"][0] == state
    found = run(monkeypatch, S3(), kms_key_arn=KEY)
    assert "not encrypted by TXF_AWS_KMS_KEY_ARN" in found["bucket protection"][1]


def test_a_bucket_of_another_account_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3(head_bucket=[{"BucketRegion": "eu-west-1"}, error("HeadBucket", "403", "")])
    state, sentence = run(monkeypatch, s3)["bucket owner"]
    assert state == "warning"
    assert "set TXF_AWS_BUCKET_OWNER" in sentence


def test_an_s3_that_does_not_answer_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = ReadTimeoutError(endpoint_url="https://s3")
    state, sentence = run(monkeypatch, S3(head_bucket=silent))["bucket"]
    assert state == "failure"
    assert "s3 has not answered in time" in sentence


def test_a_bucket_in_another_region_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    state, sentence = run(monkeypatch, S3(head_bucket={"BucketRegion": "us-east-1"}))["bucket"]
    assert state == "failure"
    assert "is in us-east-1, and AWS_DEFAULT_REGION is eu-west-1" in sentence


def test_an_s3_that_ignores_conditions_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    state, sentence = run(monkeypatch, S3(put_object={}))["right to write objects"]
    assert state == "warning"
    assert f"stored s3://txfeatures/{ABSENT_KEY}; delete it" in sentence


def test_an_object_that_is_stored_is_deleted_with_every_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3 = S3(
        put_object=[error("PutObject", "NoSuchKey", ""), {"VersionId": "1"}],
        get_object=[error("GetObject", "NoSuchKey", ""), error("GetObject", "AccessDenied", "")],
        delete_object=[{"VersionId": "2"}, {}, {}],
    )
    state, sentence = run(monkeypatch, s3, writes=True)["right to delete objects"]
    assert state == "failure"
    assert f"the right s3:GetObject on txfeatures/{PROBE_PREFIX}* is missing" in sentence
    deleted = [params.get("VersionId") for name, params in s3.calls if name == "delete_object"]
    assert deleted == [None, "1", "2"]
