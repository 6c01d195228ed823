"""The bucket of the offline store and the archive."""

import json
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from txfeatures.archive.layout import RESULTS_PREFIX

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ServerSideEncryptionByDefaultTypeDef

OLD_VERSIONS_DAYS = 30
"""Days for which the bucket keeps what was deleted or replaced."""

RESULTS_DAYS = 7
"""Days for which it keeps the results of queries, which nobody reads twice."""

UPLOADS_DAYS = 1
"""Days after which the parts of an upload that was never completed are removed."""


def ensure_bucket(client: "S3Client", name: str, *, kms_key_arn: str | None = None) -> str:
    """Create the bucket if it is missing, and protect it; return the outcome, in a word or two.

    An existing bucket stays as it is: it has an owner with rules of their own.

    Args:
        client: A client of S3.
        name: The bucket's name.
        kms_key_arn: The key that encrypts its objects; None for S3's own.

    Raises:
        ClientError: AWS refused; another account may own the bucket.
    """
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    else:
        return "exists already"
    region = client.meta.region_name
    try:
        if region == "us-east-1":  # the one region that S3 refuses as a LocationConstraint
            client.create_bucket(Bucket=name)
        else:
            client.create_bucket(
                Bucket=name,
                CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
            )
    except client.exceptions.BucketAlreadyOwnedByYou:
        pass  # created by an attempt whose answer was lost, or by another bootstrap
    _protect(client, name, kms_key_arn)
    return "created"


def _protect(client: "S3Client", name: str, kms_key_arn: str | None) -> None:
    """Make a new bucket private, encrypted and versioned, with a life cycle, for TLS only."""
    client.put_public_access_block(
        Bucket=name,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    if kms_key_arn is not None:
        key: ServerSideEncryptionByDefaultTypeDef = {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": kms_key_arn,
        }
        client.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": key, "BucketKeyEnabled": True}]
            },
        )
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "old-versions",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSIONS_DAYS},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOADS_DAYS},
                },
                {
                    "ID": "query-results",
                    "Status": "Enabled",
                    "Filter": {"Prefix": RESULTS_PREFIX},
                    "Expiration": {"Days": RESULTS_DAYS},
                },
            ]
        },
    )
    if client.meta.endpoint_url.startswith("https:"):  # else the policy would lock us out, too
        client.put_bucket_policy(Bucket=name, Policy=json.dumps(_tls_only(client, name)))


def _tls_only(client: "S3Client", name: str) -> dict[str, object]:
    arn = f"arn:{client.meta.partition}:s3:::{name}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
