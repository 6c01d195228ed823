"""What must be there before the services start: topics, bucket, feature group.

Idempotent: what is there already is left as it is; a difference that matters is
refused and said.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures import aws
from txfeatures.errors import FatalError, TransientError
from txfeatures.features import EVENT_TIME, FEATURES, RECORD_IDENTIFIER
from txfeatures.kafka_admin import KafkaAdmin
from txfeatures.runtime import Runtime
from txfeatures.settings import AwsSettings, Group, KafkaSettings, LogSettings
from txfeatures.topics import TOPICS

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker.type_defs import (
        DescribeFeatureGroupResponseTypeDef,
        FeatureDefinitionTypeDef,
    )

OFFLINE_STORE_PREFIX = "feature-store"
"""Where in the bucket SageMaker keeps the offline store."""

FEATURE_GROUP_TIMEOUT_S = 1200.0
"""A feature group with an in-memory store takes up to 15 minutes (AWS documentation)."""

FEATURE_GROUP_POLL_S = 0.5

Say = Callable[[str], None]


class BootstrapSettings(Group):
    """What bootstrap can be told."""

    model_config = SettingsConfigDict(env_prefix="TXF_BOOTSTRAP_")

    partitions: int = Field(
        default=4, ge=1, le=1000, description="Partitions of the topics that scale."
    )
    replication: int = Field(default=3, ge=1, le=9, description="Replicas of every topic.")
    keep_forever: bool = Field(
        default=False,
        description="Topics keep records for ever: for replays, since retention goes by the "
        "records' own time.",
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="See TXF_KAFKA_*.")
    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")


def bootstrap(settings: BootstrapSettings, *, runtime: Runtime, say: Say) -> None:
    """Make what is missing and wait until it can be used.

    Raises:
        FatalError: Something exists but differs, or was refused; the message says what.
        TransientError: Kafka or AWS does not answer.
    """
    made = KafkaAdmin(settings.kafka).create(
        TOPICS,
        partitions=settings.partitions,
        replication=settings.replication,
        keep_forever=settings.keep_forever,
    )
    say(f"topics: {len(made)} made, {len(TOPICS) - len(made)} there already")
    try:
        say(f"bucket {settings.aws.bucket}: {_bucket(aws.s3(settings.aws), settings.aws)}")
        group = _feature_group(aws.sagemaker(settings.aws), settings.aws, runtime)
        say(f"feature group {settings.aws.feature_group}: {group}")
    except ClientError as error:
        raise FatalError(f"AWS refused: {error}") from error
    except BotoCoreError as error:
        raise TransientError(f"AWS does not answer: {error}") from error


def _bucket(client: "S3Client", settings: AwsSettings) -> str:
    try:
        client.head_bucket(Bucket=settings.bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
    else:
        return "there already"
    region = client.meta.region_name
    if region == "us-east-1":  # the one region that S3 refuses to be told
        client.create_bucket(Bucket=settings.bucket)
    else:
        client.create_bucket(
            Bucket=settings.bucket,
            CreateBucketConfiguration={"LocationConstraint": region},  # type: ignore[typeddict-item]
        )
    return "made"


def _feature_group(client: "SageMakerClient", settings: AwsSettings, runtime: Runtime) -> str:
    found = _describe(client, settings.feature_group)
    if found is None:
        client.create_feature_group(
            FeatureGroupName=settings.feature_group,
            RecordIdentifierFeatureName=RECORD_IDENTIFIER,
            EventTimeFeatureName=EVENT_TIME,
            FeatureDefinitions=_definitions(),
            OnlineStoreConfig={"EnableOnlineStore": True},
            OfflineStoreConfig={
                "S3StorageConfig": {"S3Uri": f"s3://{settings.bucket}/{OFFLINE_STORE_PREFIX}"}
            },
            RoleArn=settings.role_arn.get_secret_value(),
            Description="Bitcoin transactions, features per minute",
        )
        _wait_until_created(client, settings.feature_group, runtime)
        return "made"
    if difference := _difference(found):
        raise FatalError(
            f"feature group {settings.feature_group} differs from the declared features: "
            f"{difference}; choose another TXF_AWS_FEATURE_GROUP"
        )
    return "there already"


def _describe(client: "SageMakerClient", name: str) -> "DescribeFeatureGroupResponseTypeDef | None":
    try:
        return client.describe_feature_group(FeatureGroupName=name)
    except client.exceptions.ResourceNotFound:
        return None


def _wait_until_created(client: "SageMakerClient", name: str, runtime: Runtime) -> None:
    deadline = runtime.clock.monotonic() + FEATURE_GROUP_TIMEOUT_S
    while runtime.clock.monotonic() < deadline:
        found = _describe(client, name)
        status = found["FeatureGroupStatus"] if found else "Creating"
        if status == "Created":
            return
        if status != "Creating":
            reason = found.get("FailureReason", "no reason given") if found else ""
            raise FatalError(f"feature group {name} is {status}: {reason}")
        if runtime.clock.wait(runtime.stop, FEATURE_GROUP_POLL_S):
            raise FatalError(f"stopped while feature group {name} was being made; run it again")
    raise FatalError(f"feature group {name} was not made in {FEATURE_GROUP_TIMEOUT_S:.0f} s")


def _definitions() -> "list[FeatureDefinitionTypeDef]":
    return [{"FeatureName": f.name, "FeatureType": f.type} for f in FEATURES]


def _difference(found: "DescribeFeatureGroupResponseTypeDef") -> str:
    there = {d["FeatureName"]: d["FeatureType"] for d in found["FeatureDefinitions"]}
    declared = {feature.name: feature.type for feature in FEATURES}
    differences = [
        f"{name} is {there.get(name, 'missing')}, declared {declared.get(name, 'nowhere')}"
        for name in sorted({*there, *declared})
        if there.get(name) != declared.get(name)
    ]
    for what, actual, wanted in (
        ("record identifier", found["RecordIdentifierFeatureName"], RECORD_IDENTIFIER),
        ("event time", found["EventTimeFeatureName"], EVENT_TIME),
    ):
        if actual != wanted:
            differences.append(f"{what} is {actual}, declared {wanted}")
    return ", ".join(differences)
