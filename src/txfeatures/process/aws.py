"""The only boto3 session: the factory of every AWS client, all with the same limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.model import OperationModel

from txfeatures.domain.errors import SettingsError
from txfeatures.process.settings import AwsSettings

if TYPE_CHECKING:
    from types_boto3_athena import AthenaClient
    from types_boto3_ec2 import EC2Client
    from types_boto3_efs import EFSClient
    from types_boto3_glue import GlueClient
    from types_boto3_iam import IAMClient
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker_featurestore_runtime import SageMakerFeatureStoreRuntimeClient
    from types_boto3_sts import STSClient

_OWNER: Final = "ExpectedBucketOwner"


def s3(settings: AwsSettings, *, connections: int = 10) -> "S3Client":
    """Return a client of S3, which names the bucket's owner with each call if there is one.

    Raises:
        SettingsError: AWS is not configured.
    """
    with _usable_configuration():
        client = _session().client("s3", config=_config(settings, connections))
    if settings.bucket_owner is not None:
        owner = settings.bucket_owner

        def expect_owner(*, params: dict[str, Any], model: OperationModel, **_: object) -> None:
            if model.input_shape is not None and _OWNER in model.input_shape.members:
                params.setdefault(_OWNER, owner)

        client.meta.events.register("provide-client-params.s3", expect_owner)
    return client


def glue(settings: AwsSettings, *, connections: int = 10) -> "GlueClient":
    """Return a client of Glue's catalog; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("glue", config=_config(settings, connections))


def athena(settings: AwsSettings, *, connections: int = 10) -> "AthenaClient":
    """Return a client of Athena; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("athena", config=_config(settings, connections))


def efs(settings: AwsSettings) -> "EFSClient":
    """Return a client of EFS; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("efs", config=_config(settings))


def ec2(settings: AwsSettings) -> "EC2Client":
    """Return a client of EC2; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("ec2", config=_config(settings))


def iam(settings: AwsSettings) -> "IAMClient":
    """Return a client of IAM; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("iam", config=_config(settings))


def sts(settings: AwsSettings) -> "STSClient":
    """Return a client of STS, which names its caller; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("sts", config=_config(settings))


def service_quotas(settings: AwsSettings) -> Any:
    """Return a client of Service Quotas; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("service-quotas", config=_config(settings))


def sagemaker(settings: AwsSettings, *, connections: int = 10) -> "SageMakerClient":
    """Return a client of SageMaker's control plane; SettingsError if AWS is not configured."""
    with _usable_configuration():
        return _session().client("sagemaker", config=_config(settings, connections))


def feature_store(
    settings: AwsSettings, *, connections: int = 10
) -> "SageMakerFeatureStoreRuntimeClient":
    """Return a client of the Feature Store's data plane; safe to share between threads.

    Raises:
        SettingsError: AWS is not configured.
    """
    with _usable_configuration():
        return _session().client(
            "sagemaker-featurestore-runtime", config=_config(settings, connections)
        )


def require_credentials(settings: AwsSettings) -> None:
    """Check that AWS can be called, before a command does any work.

    Services don't check: where a role's credentials come from the network, they may be missing
    for a moment.

    Raises:
        SettingsError: There are no credentials, or there is no region; lists what to set.
    """
    with _usable_configuration():
        session = _session()
        missing = [
            what
            for what, found in (
                ("credentials", session.get_credentials()),
                ("region", session.region_name),
            )
            if found is None
        ]
    if missing:
        raise SettingsError(
            f"AWS is not configured (no {' and no '.join(missing)}); set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and AWS_DEFAULT_REGION; TXF_AWS_BUCKET "
            f"({settings.bucket}) and TXF_AWS_FEATURE_GROUP ({settings.feature_group}) name what "
            "is used there"
        )


@lru_cache(maxsize=1)
def _session() -> boto3.Session:
    return boto3.Session()


@contextmanager
def _usable_configuration() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ValueError) as error:  # ValueError: the endpoint is no URL
        raise SettingsError(
            f"AWS can't be used as configured ({error}); set AWS_DEFAULT_REGION, "
            "and check AWS_ENDPOINT_URL and AWS_PROFILE if they are set"
        ) from error


def _config(settings: AwsSettings, connections: int = 10) -> Config:
    return Config(
        connect_timeout=settings.timeout_s,
        read_timeout=settings.timeout_s,
        max_pool_connections=connections,
        # One attempt: the services retry themselves, where they count and pace retries.
        retries={"mode": "standard", "total_max_attempts": 1},
    )
