"""The rights of the processes that the chart runs."""

from collections.abc import Mapping
from types import MappingProxyType

from deploy.iam.grants import (
    ARCHIVE,
    ARCHIVE_TABLE,
    BUCKET,
    DESCRIBES,
    FEATURE_GROUP,
    LISTS,
    OFFLINE_STORE,
    OFFLINE_TABLE,
    PUTS_ROWS,
    READS_ROWS,
    RESULTS,
    S3,
    WORKGROUP,
    Grant,
    Process,
    key,
)
from deploy.iam.kafka import KafkaRights
from txfeatures.doctor.bucket import PROBE_PREFIX
from txfeatures.doctor.doubts import PREFIX as SCRATCH_PREFIX
from txfeatures.doctor.kafka import TRANSACTIONAL_ID as DOCTOR_ID
from txfeatures.domain.topics import (
    AGGREGATED,
    ALIKE,
    DEDUPED,
    FEED,
    LATE,
    PARTIALS,
    RAW,
    TOPICS,
    dead_letter_topic,
)
from txfeatures.history.expired import READERS
from txfeatures_api.pipeline import DEAD_LETTERS
from txfeatures_fs_writer.archive_step import GROUP as ARCHIVE_GROUP
from txfeatures_fs_writer.features_step import GROUP as FEATURES_GROUP

PROBES = (f"{S3}/{PROBE_PREFIX}*",)
SCRATCH_GROUPS = (
    f"arn:{{partition}}:sagemaker:{{region}}:{{account}}:feature-group/{SCRATCH_PREFIX}*",
)
STORE_ROLE = ("arn:{partition}:iam::{account}:role/{store_role}",)

_CREATES_WITH_KEY = (
    "Encrypt",
    "Decrypt",
    "DescribeKey",
    "CreateGrant",
    "RetireGrant",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKey",
    "ListAliases",
    "ListGrants",
    "RevokeGrant",
)
"""Use of a key that CreateFeatureGroup needs for its online store (its API reference)."""

_ARCHIVES = (
    LISTS,
    Grant(actions=("s3:GetObject", "s3:PutObject"), resources=ARCHIVE),
    key("s3", "Decrypt", "GenerateDataKey"),
)

_SCALING = tuple(topic.name for topic in TOPICS if topic.scales)


def _changelogs(app: str) -> tuple[str, ...]:
    return tuple(topic.name for topic in TOPICS if topic.name.startswith(f"{app}-"))


_FEATURES_STEP = KafkaRights(
    reads=(AGGREGATED,), writes=(dead_letter_topic(AGGREGATED),), joins=(FEATURES_GROUP,)
)
_ARCHIVE_STEP = KafkaRights(reads=(DEDUPED,), joins=(ARCHIVE_GROUP,))
_INSPECTED = (
    *(f"{topic}*" for topic in (RAW, DEDUPED, AGGREGATED)),
    *(PARTIALS, FEED, LATE),
    *("dedup-*", "aggregator-*"),
)
"""Every topic, with dead letters and changelogs by prefix: a policy has a limit in characters."""

PROCESSES: Mapping[str, Process] = MappingProxyType(
    {
        "bootstrap": Process(
            description="creates topics, bucket, feature group and table",
            account="bootstrap",
            aws=(
                Grant(
                    actions=(
                        "s3:CreateBucket",
                        "s3:ListBucket",
                        "s3:PutBucketPublicAccessBlock",
                        "s3:PutBucketVersioning",
                        "s3:PutLifecycleConfiguration",
                        "s3:PutBucketPolicy",
                    ),
                    resources=BUCKET,
                ),
                Grant(actions=("s3:PutEncryptionConfiguration",), resources=BUCKET, only="key"),
                key("sagemaker", *_CREATES_WITH_KEY),
                Grant(
                    actions=(
                        "sagemaker:CreateFeatureGroup",
                        "sagemaker:DescribeFeatureGroup",
                        "sagemaker:UpdateFeatureGroup",
                        "sagemaker:DescribeFeatureMetadata",
                        "sagemaker:UpdateFeatureMetadata",
                        "sagemaker:AddTags",
                        "sagemaker:ListTags",
                    ),
                    resources=FEATURE_GROUP,
                ),
                Grant(
                    actions=("iam:PassRole",),
                    resources=STORE_ROLE,
                    when={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
                ),
                Grant(
                    actions=(
                        "glue:CreateDatabase",
                        "glue:CreateTable",
                        "glue:GetTable",
                        "glue:UpdateTable",
                    ),
                    resources=ARCHIVE_TABLE,
                ),
            ),
            kafka=KafkaRights(creates=tuple(topic.name for topic in TOPICS), checks_brokers=True),
        ),
        "poller": Process(
            description="the source's transactions to Kafka",
            account="poller",
            kafka=KafkaRights(writes=(RAW, FEED, dead_letter_topic(RAW)), counts=ALIKE),
        ),
        "dedup": Process(
            description="the first sighting of each transaction",
            account="dedup",
            kafka=KafkaRights(
                reads=(RAW, *_changelogs("dedup")),
                writes=(DEDUPED, dead_letter_topic(RAW), *_changelogs("dedup")),
                counts=_SCALING,
                joins=("dedup",),
                transacts=("dedup-*",),
            ),
        ),
        "aggregator": Process(
            description="transactions to rows",
            account="aggregator",
            kafka=KafkaRights(
                reads=(DEDUPED, PARTIALS, FEED, *_changelogs("aggregator")),
                writes=(
                    PARTIALS,
                    AGGREGATED,
                    LATE,
                    dead_letter_topic(DEDUPED),
                    *_changelogs("aggregator"),
                ),
                counts=_SCALING,
                joins=("aggregator",),
                transacts=("aggregator-*",),
            ),
        ),
        "fs_writer": Process(
            description="both steps in one process",
            account="fs-writer",
            aws=(*PUTS_ROWS, *_ARCHIVES),
            kafka=KafkaRights(
                reads=(*_FEATURES_STEP.reads, *_ARCHIVE_STEP.reads),
                writes=_FEATURES_STEP.writes,
                joins=(*_FEATURES_STEP.joins, *_ARCHIVE_STEP.joins),
            ),
        ),
        "fs_writer-features": Process(
            description="rows to the Feature Store, when fs_writer runs as two",
            account="fs-writer",
            aws=PUTS_ROWS,
            kafka=_FEATURES_STEP,
        ),
        "fs_writer-archive": Process(
            description="transactions to S3, when fs_writer runs as two",
            account="fs-writer-archive",
            aws=_ARCHIVES,
            kafka=_ARCHIVE_STEP,
        ),
        "api": Process(
            description="rows over HTTP",
            account="api",
            aws=READS_ROWS,
            kafka=KafkaRights(
                reads=(FEED, AGGREGATED),
                counts=(RAW, DEDUPED, LATE, *DEAD_LETTERS),
                joins=(f"tail-{FEED}", f"tail-{AGGREGATED}"),
                watches=("dedup", "aggregator", FEATURES_GROUP),
            ),
        ),
        "compact": Process(
            description="compacts the archive, and an offline store in Iceberg format",
            account="compact",
            aws=(
                LISTS,
                Grant(
                    actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), resources=ARCHIVE
                ),
                key("s3", "Decrypt", "GenerateDataKey"),
                DESCRIBES,
                Grant(
                    actions=(
                        "athena:StartQueryExecution",
                        "athena:GetQueryExecution",
                        "athena:StopQueryExecution",
                    ),
                    resources=WORKGROUP,
                    only="iceberg",
                ),
                Grant(
                    actions=("glue:GetDatabase", "glue:GetTable", "glue:UpdateTable"),
                    resources=OFFLINE_TABLE,
                    only="iceberg",
                ),
                Grant(
                    actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
                    resources=OFFLINE_STORE,
                    only="iceberg",
                ),
                Grant(actions=("s3:GetBucketLocation",), resources=BUCKET, only="iceberg"),
                Grant(actions=("s3:PutObject",), resources=RESULTS, only="iceberg"),
            ),
        ),
        "doctor": Process(
            description="`txfeatures doctor`, with `--write` and `--doubts`",
            account="doctor",
            aws=(
                Grant(
                    actions=(
                        "s3:ListBucket",
                        "s3:GetBucketVersioning",
                        "s3:GetEncryptionConfiguration",
                        "s3:GetBucketPublicAccessBlock",
                        "s3:GetLifecycleConfiguration",
                        "s3:GetBucketPolicy",
                    ),
                    resources=BUCKET,
                ),
                Grant(actions=("s3:GetObject", "s3:PutObject"), resources=(*ARCHIVE, *PROBES)),
                Grant(actions=("s3:DeleteObject", "s3:DeleteObjectVersion"), resources=PROBES),
                key("s3", "Decrypt", "GenerateDataKey"),
                Grant(
                    actions=(
                        "sagemaker:DescribeFeatureGroup",
                        "sagemaker:DescribeFeatureMetadata",
                        "sagemaker:BatchWriteRecord",
                    ),
                    resources=FEATURE_GROUP,
                ),
                Grant(
                    actions=(
                        "sagemaker:PutRecord",
                        "sagemaker:GetRecord",
                        "sagemaker:BatchGetRecord",
                    ),
                    resources=(*FEATURE_GROUP, *SCRATCH_GROUPS),
                ),
                Grant(
                    actions=(
                        "sagemaker:CreateFeatureGroup",
                        "sagemaker:AddTags",
                        "sagemaker:DescribeFeatureGroup",
                        "sagemaker:DeleteRecord",
                        "sagemaker:DeleteFeatureGroup",
                    ),
                    resources=SCRATCH_GROUPS,
                ),
                key("sagemaker", "Decrypt"),
                Grant(
                    actions=("glue:GetTable",),
                    resources=tuple(dict.fromkeys((*ARCHIVE_TABLE, *OFFLINE_TABLE))),
                ),
                Grant(actions=("athena:GetWorkGroup",), resources=WORKGROUP),
                # Quotas have no resource that a policy could name for this action.
                Grant(actions=("servicequotas:ListServiceQuotas",), resources=("*",)),
            ),
            kafka=KafkaRights(
                inspects=_INSPECTED,
                watches=tuple(group for _, group in READERS),
                transacts=(DOCTOR_ID,),
                checks_brokers=True,
            ),
        ),
    }
)
