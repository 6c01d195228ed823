"""The rights of what runs outside the chart: commands, notebooks, SageMaker, KEDA."""

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
    READS_OBJECTS,
    READS_ROWS,
    S3,
    WORKGROUP,
    Grant,
    Process,
    key,
)
from deploy.iam.kafka import KafkaRights
from txfeatures.dead_letters.letter import SOURCES
from txfeatures.dead_letters.replay import TRANSACTIONAL_ID
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, LATE, RAW, dead_letter_topic
from txfeatures.history.expired import READERS
from txfeatures.history.ledger import GROUP as AUDIT_GROUP
from txfeatures.kafka.snapshot import GROUP as DLQ_GROUP

NOTEBOOK_RESULTS = (f"{S3}/athena-results/*",)
_AUDITED = (RAW, DEDUPED, AGGREGATED, LATE, dead_letter_topic(RAW), dead_letter_topic(DEDUPED))

PROCESSES: Mapping[str, Process] = MappingProxyType(
    {
        "audit": Process(
            description="`txfeatures audit --kafka`",
            aws=(
                LISTS,
                Grant(actions=("s3:GetObject",), resources=(*ARCHIVE, *OFFLINE_STORE)),
                READS_OBJECTS,
                DESCRIBES,
                *READS_ROWS,
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
                LISTS,
                Grant(actions=("s3:GetObject",), resources=(*ARCHIVE, *OFFLINE_STORE)),
                READS_OBJECTS,
                DESCRIBES,
                *PUTS_ROWS,
            ),
        ),
        "dataset": Process(
            description="`txfeatures dataset`",
            aws=(
                LISTS,
                Grant(actions=("s3:GetObject",), resources=OFFLINE_STORE),
                READS_OBJECTS,
                DESCRIBES,
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
        "data_scientist": Process(
            description="the notebooks, in SageMaker Studio or elsewhere",
            aws=(
                LISTS,
                Grant(actions=("s3:GetBucketLocation",), resources=BUCKET),
                Grant(actions=("s3:GetObject",), resources=(*ARCHIVE, *OFFLINE_STORE)),
                Grant(actions=("s3:GetObject", "s3:PutObject"), resources=NOTEBOOK_RESULTS),
                key("s3", "Decrypt", "GenerateDataKey"),
                DESCRIBES,
                Grant(
                    actions=("sagemaker:BatchGetRecord", "sagemaker:GetRecord"),
                    resources=FEATURE_GROUP,
                ),
                key("sagemaker", "Decrypt"),
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
                key("s3", "Decrypt", "GenerateDataKey"),
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
"""Rights of ``feature_store`` are those of AWS's own managed policy."""
