"""Creation of the topics, bucket, feature group and table that the services need.

Idempotent: existing resources stay unchanged, and features declared since are added. A
difference that can't be reconciled is an error.
"""

from collections.abc import Callable, Iterator
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from txfeatures.archive.catalog import ensure_archive_table
from txfeatures.bootstrap.bucket import ensure_bucket
from txfeatures.bootstrap.feature_group import FeatureGroup
from txfeatures.domain.topics import MAX_RECORD_BYTES, TOPICS, BrokerKind
from txfeatures.feature_store.errors import translated
from txfeatures.feature_store.retries import Retries
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.effective import Effective, read_effective
from txfeatures.kafka.safety import Demands, Finding, findings
from txfeatures.process import aws
from txfeatures.process.declared import load_features
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import (
    AwsSettings,
    FeaturesSettings,
    Group,
    KafkaSettings,
    LogSettings,
)

Say = Callable[[str], None]


class BootstrapSettings(Group):
    """Settings of bootstrap."""

    model_config = SettingsConfigDict(env_prefix="TXF_BOOTSTRAP_")

    partitions: int = Field(
        default=4, ge=1, le=1000, description="Partitions of each topic that scales."
    )
    replication: int = Field(default=3, ge=1, le=9, description="Replicas of every topic.")
    broker_kind: BrokerKind = Field(
        default="standard",
        description="standard, Kafka itself and MSK's standard brokers; express, MSK's Express "
        "brokers; serverless, MSK Serverless. The last two set some properties of topics "
        "themselves, and refuse topics that name them.",
    )
    keep_forever: bool = Field(
        default=False,
        description="Keep the records of all topics for ever; needed for replays, because "
        "retention goes by the timestamps of the records.",
    )
    kafka: KafkaSettings = Field(default_factory=KafkaSettings, description="See TXF_KAFKA_*.")
    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    features: FeaturesSettings = Field(
        default_factory=FeaturesSettings, description="See TXF_FEATURES_*."
    )
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")

    @model_validator(mode="after")
    def _fits_the_brokers(self) -> Self:
        if self.broker_kind == "serverless" and self.kafka.max_record_bytes > MAX_RECORD_BYTES:
            raise ValueError(
                f"MSK Serverless takes records of at most {MAX_RECORD_BYTES} bytes; lower "
                "TXF_KAFKA_MAX_RECORD_BYTES"
            )
        return self


def bootstrap(settings: BootstrapSettings, *, runtime: Runtime, say: Say) -> None:
    """Create the missing resources and wait until they can be used; report what is unsafe.

    Raises:
        FatalError: A resource exists but differs, or AWS refused it.
        TransientError: Kafka or AWS does not answer, or refuses for now.
    """
    declaration = load_features(settings.features)
    made = KafkaAdmin(settings.kafka).create(
        TOPICS,
        partitions=settings.partitions,
        replication=settings.replication,
        keep_forever=settings.keep_forever,
        kind=settings.broker_kind,
    )
    say(f"topics: {len(made)} created, {len(TOPICS) - len(made)} exist already")
    for sentence in _safety(settings):
        say(sentence)
    name, group = settings.aws.bucket, settings.aws.feature_group
    retries = Retries(clock=runtime.clock, stop=runtime.stop)
    with translated("AWS"):
        s3 = retries.attach(aws.s3(settings.aws))
        say(f"bucket {name}: {ensure_bucket(s3, name, kms_key_arn=settings.aws.kms_key_arn)}")
        sagemaker = retries.attach(aws.sagemaker(settings.aws))
        made_group = FeatureGroup(sagemaker, settings.aws, declaration, runtime).ensure()
        say(f"feature group {group}: {made_group}")
        glue = retries.attach(aws.glue(settings.aws))
        say(f"archive's table: {ensure_archive_table(glue, name)}")


def read_configuration(settings: BootstrapSettings) -> Effective:
    """Return the configuration that the brokers apply, of the topics and of themselves.

    Raises:
        TransientError: The brokers don't answer, or refuse us.
    """
    # AWS sets that of the brokers of MSK Serverless, and has no right to read it.
    with_brokers = settings.broker_kind != "serverless"
    return read_effective(settings.kafka, TOPICS, with_brokers=with_brokers)


def unsafe(found: Effective, settings: BootstrapSettings) -> list[Finding]:
    """Return everything unsafe about a configuration."""
    demands = Demands(
        max_record_bytes=settings.kafka.max_record_bytes,
        keep_forever=settings.keep_forever,
        uses_iam=settings.kafka.security == "msk_iam",
    )
    return findings(found.topics, found.brokers, broker_count=found.broker_count, demands=demands)


def _safety(settings: BootstrapSettings) -> Iterator[str]:
    """Yield a line for everything unsafe about the configuration that the brokers apply."""
    found = read_configuration(settings)
    wrong = unsafe(found, settings)
    yield from (f"unsafe: {finding.sentence}" for finding in wrong)
    yield from (f"not checked: {sentence}" for sentence in found.denied)
    if not wrong and not found.denied:
        yield "configuration of topics and brokers: safe"
