"""The bucket of the offline store and the archive."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


def ensure_bucket(client: "S3Client", name: str) -> str:
    """Make the bucket if it is missing; return what was done, in a word or two.

    Raises:
        ClientError: AWS refused; the bucket may be somebody else's.
    """
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    else:
        return "there already"
    region = client.meta.region_name
    try:
        if region == "us-east-1":  # the one region that S3 does not accept as a constraint
            client.create_bucket(Bucket=name)
        else:
            client.create_bucket(
                Bucket=name,
                CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
            )
    except client.exceptions.BucketAlreadyOwnedByYou:
        pass  # made by an attempt whose answer was lost, or by another bootstrap
    return "made"
