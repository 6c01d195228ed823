"""The rights of each process: its calls of AWS, its topics, groups and transactional ids.

Rights of AWS are those that AWS documents for the calls of the code, on the resources of the
calls. A test runs every process with exactly these and finds each of them needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from deploy.iam.kafka import KafkaRights
from txfeatures.archive.catalog import DATABASE, TABLE
from txfeatures.archive.layout import RESULTS_PREFIX
from txfeatures.bootstrap.schema import OFFLINE_STORE_PREFIX
from txfeatures.dead_letters.letter import SOURCES
from txfeatures.dead_letters.replay import TRANSACTIONAL_ID
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
from txfeatures.history.ledger import GROUP as AUDIT_GROUP
from txfeatures.kafka.snapshot import GROUP as DLQ_GROUP
from txfeatures_api.pipeline import DEAD_LETTERS
from txfeatures_fs_writer.archive_step import GROUP as ARCHIVE_GROUP
from txfeatures_fs_writer.features_step import GROUP as FEATURES_GROUP

_S3 = "arn:{partition}:s3:::{bucket}"
_GLUE = "arn:{partition}:glue:{region}:{account}"

BUCKET = (_S3,)
ARCHIVE = (f"{_S3}/archive/*",)
OFFLINE_STORE = (f"{_S3}/{OFFLINE_STORE_PREFIX}/*",)
RESULTS = (f"{_S3}/{RESULTS_PREFIX}*",)
PROBES = (f"{_S3}/{PROBE_PREFIX}*",)
NOTEBOOK_RESULTS = (f"{_S3}/athena-results/*",)
FEATURE_GROUP = ("arn:{partition}:sagemaker:{region}:{account}:feature-group/{feature_group}",)
SCRATCH_GROUPS = (
    f"arn:{{partition}}:sagemaker:{{region}}:{{account}}:feature-group/{SCRATCH_PREFIX}*",
)
STORE_ROLE = ("arn:{partition}:iam::{account}:role/{store_role}",)
WORKGROUP = ("arn:{partition}:athena:{region}:{account}:workgroup/{workgroup}",)
KEY = ("{kms_key}",)
ARCHIVE_TABLE = (
    f"{_GLUE}:catalog",
    f"{_GLUE}:database/{DATABASE}",
    f"{_GLUE}:table/{DATABASE}/{TABLE}",
)
OFFLINE_TABLE = (
    f"{_GLUE}:catalog",
    f"{_GLUE}:database/sagemaker_featurestore",
    f"{_GLUE}:table/sagemaker_featurestore/{{offline_table}}",
)

Conditions = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Actions of AWS on resources.

    Attributes:
        actions: Names in IAM, with the service.
        resources: Templates of ARNs; see `deploy.iam.site.Site.names`.
        when: Conditions: operator -> key -> template of the value.
        only: The kind of installation that needs it: one with a key of its own, or one with
            an offline store in Iceberg format; None for all.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    when: Conditions | None = None
    only: Literal["key", "iceberg"] | None = None


def _key(service: str, *actions: str) -> Grant:
    """Grant the use of the key, through one service only."""
    return Grant(
        actions=tuple(f"kms:{action}" for action in actions),
        resources=KEY,
        when={"StringEquals": {"kms:ViaService": f"{service}.{{region}}.{{dns_suffix}}"}},
        only="key",
    )


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

# A key that does not exist is only reported as missing to those who may list the bucket.
_LISTS = Grant(actions=("s3:ListBucket",), resources=BUCKET)
_READS_OBJECTS = _key("s3", "Decrypt")
_DESCRIBES = Grant(actions=("sagemaker:DescribeFeatureGroup",), resources=FEATURE_GROUP)
_PUTS_ROWS = (
    Grant(actions=("sagemaker:PutRecord", "sagemaker:BatchWriteRecord"), resources=FEATURE_GROUP),
    _key("sagemaker", "Decrypt"),
)
_READS_ROWS = (
    Grant(actions=("sagemaker:BatchGetRecord",), resources=FEATURE_GROUP),
    _key("sagemaker", "Decrypt"),
)
_ARCHIVES = (
    _LISTS,
    Grant(actions=("s3:GetObject", "s3:PutObject"), resources=ARCHIVE),
    _key("s3", "Decrypt", "GenerateDataKey"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The rights of one process.

    Attributes:
        description: What has these rights, in a few words.
        account: The service account's name after that of the release; None if the process does
            not run in the chart.
        aws: Calls of AWS; none needs no role, unless MSK's IAM is used.
        kafka: Its use of Kafka; None if it does not connect.
        principal: The service of AWS that takes the role; None for a pod or a person.
    """

    description: str
    account: str | None = None
    aws: tuple[Grant, ...] = ()
    kafka: KafkaRights | None = None
    principal: str | None = None


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
_AUDITED = (RAW, DEDUPED, AGGREGATED, LATE, dead_letter_topic(RAW), dead_letter_topic(DEDUPED))

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
                _key("sagemaker", *_CREATES_WITH_KEY),
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
            aws=(*_PUTS_ROWS, *_ARCHIVES),
            kafka=KafkaRights(
                reads=(*_FEATURES_STEP.reads, *_ARCHIVE_STEP.reads),
                writes=_FEATURES_STEP.writes,
                joins=(*_FEATURES_STEP.joins, *_ARCHIVE_STEP.joins),
            ),
        ),
        "fs_writer-features": Process(
            description="rows to the Feature Store, when fs_writer runs as two",
            account="fs-writer",
            aws=_PUTS_ROWS,
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
            aws=_READS_ROWS,
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
                _LISTS,
                Grant(
                    actions=("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), resources=ARCHIVE
                ),
                _key("s3", "Decrypt", "GenerateDataKey"),
                _DESCRIBES,
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
        "audit": Process(
            description="`txfeatures audit --kafka`",
            aws=(
                _LISTS,
                Grant(actions=("s3:GetObject",), resources=(*ARCHIVE, *OFFLINE_STORE)),
                _READS_OBJECTS,
                _DESCRIBES,
                *_READS_ROWS,
            ),
            kafka=KafkaRights(
                reads=_AUDITED,
                joins=(f"{AUDIT_GROUP}-*", "ends-*"),
                watches=tuple(group for _, group in READERS),
            ),
        ),
        "backfill": Process(
            description="`txfeatures backfill` from the archive to the offline store",
            aws=(
                _LISTS,
                Grant(actions=("s3:GetObject",), resources=(*ARCHIVE, *OFFLINE_STORE)),
                _READS_OBJECTS,
                _DESCRIBES,
                *_PUTS_ROWS,
            ),
        ),
        "dataset": Process(
            description="`txfeatures dataset`",
            aws=(
                _LISTS,
                Grant(actions=("s3:GetObject",), resources=OFFLINE_STORE),
                _READS_OBJECTS,
                _DESCRIBES,
            ),
        ),
        "dlq": Process(
            description="`txfeatures dlq list|show|replay`",
            kafka=KafkaRights(
                reads=tuple(SOURCES),
                counts=(FEED,),  # it looks up the newest time stamp, and reads nothing
                writes=(*SOURCES, *SOURCES.values()),
                joins=(DLQ_GROUP,),
                transacts=(TRANSACTIONAL_ID,),
            ),
        ),
        "doctor": Process(
            description="`txfeatures doctor`, with `--write` and `--doubts`",
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
                _key("s3", "Decrypt", "GenerateDataKey"),
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
                _key("sagemaker", "Decrypt"),
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
        "data_scientist": Process(
            description="the notebooks, in SageMaker Studio or elsewhere",
            aws=(
                _LISTS,
                Grant(actions=("s3:GetBucketLocation",), resources=BUCKET),
                Grant(actions=("s3:GetObject",), resources=(*ARCHIVE, *OFFLINE_STORE)),
                Grant(actions=("s3:GetObject", "s3:PutObject"), resources=NOTEBOOK_RESULTS),
                _key("s3", "Decrypt", "GenerateDataKey"),
                _DESCRIBES,
                Grant(
                    actions=("sagemaker:BatchGetRecord", "sagemaker:GetRecord"),
                    resources=FEATURE_GROUP,
                ),
                _key("sagemaker", "Decrypt"),
                Grant(
                    actions=("athena:StartQueryExecution", "athena:GetQueryExecution"),
                    resources=WORKGROUP,
                ),
                Grant(
                    actions=("glue:GetDatabase", "glue:GetTable"),
                    resources=tuple(dict.fromkeys((*ARCHIVE_TABLE, *OFFLINE_TABLE))),
                ),
            ),
            principal="sagemaker.amazonaws.com",
        ),
        "feature_store": Process(
            description="SageMaker itself, when it writes the offline store",
            aws=(
                Grant(actions=("s3:GetBucketAcl",), resources=BUCKET),
                Grant(
                    actions=("s3:PutObject", "s3:PutObjectAcl", "s3:GetObject"),
                    resources=OFFLINE_STORE,
                ),
                Grant(actions=("glue:GetTable", "glue:UpdateTable"), resources=OFFLINE_TABLE),
                _key("s3", "Decrypt", "GenerateDataKey"),
            ),
            principal="sagemaker.amazonaws.com",
        ),
        "keda": Process(
            description="KEDA's operator, which scales by lag",
            kafka=KafkaRights(
                counts=tuple(dict.fromkeys(topic for topic, _ in READERS)),
                watches=tuple(group for _, group in READERS),
            ),
        ),
    }
)
"""The processes. Rights of ``feature_store`` are those of AWS's own managed policy."""
