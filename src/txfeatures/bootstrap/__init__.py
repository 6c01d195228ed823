"""Creation of the topics, bucket, feature group and table that the services need.

Idempotent: existing resources stay unchanged, and features declared since are added. A
difference that can't be reconciled is an error.
"""

from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.archive.catalog import ensure_archive_table
from txfeatures.bootstrap.bucket import ensure_bucket
from txfeatures.bootstrap.feature_group import FeatureGroup
from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings, Group, KafkaSettings, LogSettings

Say = Callable[[str], None]

# Error codes of AWS for refusals that may pass.
_TRANSIENT = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown"}
)


class BootstrapSettings(Group):
    """Settings of bootstrap."""

    model_config = SettingsConfigDict(env_prefix="TXF_BOOTSTRAP_")

    partitions: int = Field(
        default=4, ge=1, le=1000, description="Partitions of each topic that scales."
    )
    replication: int = Field(default=3, ge=1, le=9, description="Replicas of every topic.")
    keep_forever: bool = Field(
        default=False,
        description="Keep the records of all topics for ever; needed for replays, because "
        "retention goes by the timestamps of the records.",
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="See TXF_KAFKA_*.")
    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")


def bootstrap(settings: BootstrapSettings, *, runtime: Runtime, say: Say) -> None:
    """Create the missing resources and wait until they can be used.

    Raises:
        FatalError: A resource exists but differs, or AWS refused it.
        TransientError: Kafka or AWS does not answer, or refuses for now.
    """
    made = KafkaAdmin(settings.kafka).create(
        TOPICS,
        partitions=settings.partitions,
        replication=settings.replication,
        keep_forever=settings.keep_forever,
    )
    say(f"topics: {len(made)} created, {len(TOPICS) - len(made)} exist already")
    name, group = settings.aws.bucket, settings.aws.feature_group
    try:
        say(f"bucket {name}: {ensure_bucket(aws.s3(settings.aws), name)}")
        feature_group = FeatureGroup(aws.sagemaker(settings.aws), settings.aws, runtime)
        say(f"feature group {group}: {feature_group.ensure()}")
        say(f"archive's table: {ensure_archive_table(aws.glue(settings.aws), name)}")
    except ClientError as error:
        if _is_transient(error):
            raise TransientError(f"AWS refuses for now, run it again: {error}") from error
        raise FatalError(f"AWS refused: {error}") from error
    except BotoCoreError as error:
        raise TransientError(f"AWS does not answer: {error}") from error


def _is_transient(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or error.response.get("Error", {}).get("Code") in _TRANSIENT
