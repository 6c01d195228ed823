"""Rights of AWS, and of one process: the words of the declaration, and what several share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deploy.iam.kafka import KafkaRights
from txfeatures.archive.catalog import DATABASE, TABLE
from txfeatures.archive.layout import RESULTS_PREFIX
from txfeatures.bootstrap.schema import OFFLINE_STORE_PREFIX

S3 = "arn:{partition}:s3:::{bucket}"
_GLUE = "arn:{partition}:glue:{region}:{account}"

BUCKET = (S3,)
ARCHIVE = (f"{S3}/archive/*",)
OFFLINE_STORE = (f"{S3}/{OFFLINE_STORE_PREFIX}/*",)
RESULTS = (f"{S3}/{RESULTS_PREFIX}*",)
FEATURE_GROUP = ("arn:{partition}:sagemaker:{region}:{account}:feature-group/{feature_group}",)
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


def key(service: str, *actions: str) -> Grant:
    """Grant the use of the key, through one service only."""
    return Grant(
        actions=tuple(f"kms:{action}" for action in actions),
        resources=KEY,
        when={"StringEquals": {"kms:ViaService": f"{service}.{{region}}.{{dns_suffix}}"}},
        only="key",
    )


# A key that does not exist is only reported as missing to those who may list the bucket.
LISTS = Grant(actions=("s3:ListBucket",), resources=BUCKET)
READS_OBJECTS = key("s3", "Decrypt")
DESCRIBES = Grant(actions=("sagemaker:DescribeFeatureGroup",), resources=FEATURE_GROUP)
PUTS_ROWS = (
    Grant(actions=("sagemaker:PutRecord", "sagemaker:BatchWriteRecord"), resources=FEATURE_GROUP),
    key("sagemaker", "Decrypt"),
)
READS_ROWS = (
    Grant(actions=("sagemaker:BatchGetRecord",), resources=FEATURE_GROUP),
    key("sagemaker", "Decrypt"),
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
