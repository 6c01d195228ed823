"""The bucket of the offline store and the archive."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def ensure_bucket(client: "S3Client", name: str) -> str:
    """Create the bucket if it is missing; return the outcome, in a word or two.

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
    return "created"
