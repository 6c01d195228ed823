"""Checks of the bucket: its owner, its protection, and the rights on the archive's objects.

The rights to read and to write are proved by calls that AWS can't carry out: a read of an object
that does not exist, a write on condition that an object exists which does not.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from txfeatures.doctor.account import AccountChecks
from txfeatures.doctor.calls import granted
from txfeatures.doctor.finding import Check, Verdict, failure, ok, skipped, warning
from txfeatures.domain.errors import FatalError, TxFeaturesError
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ABSENT_KEY = "archive/doctor-reads-and-writes-nothing"
"""The archive's prefix, because rights are granted on it; no object has this key."""

PROBE_PREFIX = "doctor/"
"""Prefix of the object that is stored and deleted if that was asked for."""

_NEVER = '"doctor"'
"""An ETag that no object has."""

_ABSENT = ("NoSuchKey", "404", "PreconditionFailed", "412")


class BucketChecks:
    """The checks.

    Args:
        settings: The AWS side.
        account: The account of the credentials.
        writes: Whether an object may be stored and deleted.
    """

    def __init__(self, settings: AwsSettings, account: AccountChecks, *, writes: bool) -> None:
        self._settings = settings
        self._account = account
        self._writes = writes

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        there = ("bucket",)
        for name, judge, needs in (
            ("bucket", self._exists, ("identity",)),
            ("bucket owner", self._owner, there),
            ("bucket protection", self._protection, there),
            ("right to list objects", self._list, there),
            ("right to read objects", self._read, ("right to list objects",)),
            ("right to write objects", self._write, ("right to read objects",)),
            ("right to delete objects", self._delete, there),
        ):
            yield Check(subject="aws", name=name, judge=judge, needs=needs)

    @property
    def _name(self) -> str:
        return self._settings.bucket

    def _client(self) -> "S3Client":
        return aws.s3(self._settings)

    def _exists(self) -> Verdict:
        client = self._client()
        with granted("s3:ListBucket", self._name):
            try:
                answer = client.head_bucket(Bucket=self._name)
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                if reason := self._absence(status):
                    raise FatalError(reason) from error
                raise
        region = answer.get("BucketRegion", client.meta.region_name)
        if region != client.meta.region_name:
            return failure(
                f"the bucket {self._name} is in {region}, and AWS_DEFAULT_REGION is "
                f"{client.meta.region_name}; SageMaker needs both to be the same, so correct one"
            )
        return ok(f"{self._name} exists in {region}")

    def _absence(self, status: int | None) -> str:
        """Return why S3 does not show the bucket, by its status; empty for other reasons."""
        if status == 404:
            return (
                f"there is no bucket {self._name}; run `txfeatures bootstrap` or set "
                "TXF_AWS_BUCKET to the one that it made"
            )
        if status == 403 and self._is_of_another_owner():
            return (
                f"the bucket {self._name} belongs to another account than "
                f"TXF_AWS_BUCKET_OWNER={self._settings.bucket_owner}; set TXF_AWS_BUCKET to your "
                "own, and write nothing to that one"
            )
        if status == 403:
            return (
                f"S3 refuses the bucket {self._name} (403): the right s3:ListBucket on it is "
                "missing, or it belongs to another account; grant it, or correct TXF_AWS_BUCKET"
            )
        return ""

    def _is_of_another_owner(self) -> bool:
        if self._settings.bucket_owner is None:
            return False
        anyone = aws.s3(self._settings.model_copy(update={"bucket_owner": None}))
        with suppress(ClientError):
            anyone.head_bucket(Bucket=self._name)
            return True
        return False

    def _owner(self) -> Verdict:
        if self._settings.bucket_owner is not None:
            return ok(f"{self._settings.bucket_owner}, verified with each call")
        try:
            with granted("s3:ListBucket", self._name):
                self._client().head_bucket(
                    Bucket=self._name, ExpectedBucketOwner=self._account.account
                )
        except FatalError:
            return warning(
                f"the bucket {self._name} belongs to another account than these credentials; if "
                "that is meant, set TXF_AWS_BUCKET_OWNER to it, otherwise set TXF_AWS_BUCKET"
            )
        return ok(f"{self._account.account}, the account of these credentials")

    def _protection(self) -> Verdict:
        client, name = self._client(), self._name
        faults = [
            fault
            for action, judge in (
                ("s3:GetBucketVersioning", _unversioned),
                ("s3:GetEncryptionConfiguration", self._unencrypted),
                ("s3:GetBucketPublicAccessBlock", _public),
                ("s3:GetLifecycleConfiguration", _endless),
                ("s3:GetBucketPolicy", _plain),
            )
            if (fault := _fault(judge, client, name, action))
        ]
        if faults:
            return warning(
                f"the bucket {name}: {'; '.join(faults)}; bootstrap protects only a bucket that "
                "it makes itself, so set what you want of these"
            )
        return ok("private, versioned, encrypted, with a life cycle")

    def _unencrypted(self, client: "S3Client", name: str) -> str:
        try:
            found = client.get_bucket_encryption(Bucket=name)
        except ClientError as error:
            if _code(error) != "ServerSideEncryptionConfigurationNotFoundError":
                raise
            found = None  # S3 then uses keys of its own
        wanted = self._settings.kms_key_arn
        rules = found["ServerSideEncryptionConfiguration"]["Rules"] if found else []
        keys = {
            rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
            for rule in rules
        }
        if wanted is None or wanted in keys:
            return ""
        return f"objects are not encrypted by TXF_AWS_KMS_KEY_ARN={wanted}"

    def _list(self) -> Verdict:
        with granted("s3:ListBucket", self._name):
            self._client().list_objects_v2(Bucket=self._name, Prefix=ABSENT_KEY, MaxKeys=1)
        return ok("s3:ListBucket")

    def _read(self) -> Verdict:
        with granted("s3:GetObject", f"{self._name}/archive/*", expected=_ABSENT):
            self._client().get_object(Bucket=self._name, Key=ABSENT_KEY)
        return ok("s3:GetObject on archive/*, by a key that has no object")

    def _write(self) -> Verdict:
        with granted("s3:PutObject", f"{self._name}/archive/*", expected=_ABSENT) as answered:
            self._client().put_object(Bucket=self._name, Key=ABSENT_KEY, Body=b"", IfMatch=_NEVER)
        if not answered.code:
            return warning(
                f"S3 ignored a condition and stored s3://{self._name}/{ABSENT_KEY}; delete it, and "
                "check that AWS_ENDPOINT_URL is unset"
            )
        return ok("s3:PutObject on archive/*, by a write that its condition forbids")

    def _delete(self) -> Verdict:
        if not self._writes:
            return skipped(
                f"not proved without an object; --write stores one under {PROBE_PREFIX} and "
                "deletes it"
            )
        client, key = self._client(), f"{PROBE_PREFIX}{uuid4()}"
        where = f"{self._name}/{PROBE_PREFIX}*"
        with granted("s3:PutObject", where):
            stored = client.put_object(Bucket=self._name, Key=key, Body=b"doctor")
        try:
            with granted("s3:GetObject", where):
                client.get_object(Bucket=self._name, Key=key)["Body"].read()
        finally:
            self._remove(client, key, stored.get("VersionId"))
        return ok(f"an object under {PROBE_PREFIX} was stored, read and deleted")

    def _remove(self, client: "S3Client", key: str, stored: str | None) -> None:
        """Delete an object; a versioned bucket keeps it and a mark that it was deleted."""
        where = f"{self._name}/{key}"  # to be deleted by hand if the right is missing
        with granted("s3:DeleteObject", where):
            marked = client.delete_object(Bucket=self._name, Key=key)
        for version in (stored, marked.get("VersionId")):
            if version is not None:
                with granted("s3:DeleteObjectVersion", where):
                    client.delete_object(Bucket=self._name, Key=key, VersionId=version)


Judge = Callable[["S3Client", str], str]


def _fault(judge: Judge, client: "S3Client", name: str, action: str) -> str:
    try:
        with granted(action, name):
            return judge(client, name)
    except TxFeaturesError as error:
        return str(error)
    return ""


def _unversioned(client: "S3Client", name: str) -> str:
    is_on = client.get_bucket_versioning(Bucket=name).get("Status") == "Enabled"
    return "" if is_on else "versioning is off, so that a deleted object can't be restored"


def _public(client: "S3Client", name: str) -> str:
    try:
        found: Any = client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if _code(error) != "NoSuchPublicAccessBlockConfiguration":
            raise
        found = {}
    is_private = found and all(found.values())
    return "" if is_private else "public access is not blocked"


def _endless(client: "S3Client", name: str) -> str:
    try:
        client.get_bucket_lifecycle_configuration(Bucket=name)
    except ClientError as error:
        if _code(error) != "NoSuchLifecycleConfiguration":
            raise
        return "it has no life cycle, so that old versions stay for ever"
    return ""


def _plain(client: "S3Client", name: str) -> str:
    if not client.meta.endpoint_url.startswith("https:"):
        return ""  # bootstrap leaves the policy out where there is no TLS
    try:
        policy = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])
    except ClientError as error:
        if _code(error) != "NoSuchBucketPolicy":
            raise
        policy = {"Statement": []}
    is_tls_only = any(
        statement["Effect"] == "Deny" and "aws:SecureTransport" in json.dumps(statement)
        for statement in policy["Statement"]
    )
    return "" if is_tls_only else "its policy accepts requests without TLS"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))
