"""Every planted fault, with the check that must name it."""

from collections.abc import Mapping
from dataclasses import dataclass

from kafka_local.ports import free_port

from tests.integration.doctor.plants import (
    Plant,
    configured,
    expired,
    hanging,
    remade,
    retyped,
    skewed,
    with_features,
    with_group,
    with_variables,
    without_right,
    without_table,
)
from tests.integration.doctor.world import variables
from tests.support.authorizing_aws import ADMINISTRATOR
from txfeatures.domain.topics import DEDUPED, FEED, LATE, RAW


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault, the check that must name it, and the failures that follow from it."""

    check: str
    words: str
    plant: Plant
    follows: frozenset[str] = frozenset()


def fault(check: str, words: str, plant: Plant, *follows: str) -> Fault:
    return Fault(check=check, words=words, plant=plant, follows=frozenset(follows))


SEEN = "dedup-seen-changelog"

OF_SETTINGS = {
    "an unknown setting": fault(
        "settings",
        "TXF_KAFKA_BOOTSTRAP_SERVER is not a setting",
        with_variables(TXF_KAFKA_BOOTSTRAP_SERVER="kafka:9092"),
    ),
    "a setting out of bounds": fault(
        "settings", "TXF_AWS_TIMEOUT_S='-1'", with_variables(TXF_AWS_TIMEOUT_S="-1")
    ),
    "an unreadable features file": fault(
        "features file",
        r"features\.yaml:\d+:\d+: ",
        with_features(lambda text: f"{text}\n- {{"),
    ),
}

OF_KAFKA = {
    "brokers that do not answer": fault(
        "brokers",
        "does not answer .* check TXF_KAFKA_BOOTSTRAP_SERVERS",
        lambda _: variables(TXF_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{free_port()}"),
    ),
    "fewer brokers than replicas": fault(
        "brokers",
        "3 brokers are up, and TXF_BOOTSTRAP_REPLICATION is 5",
        with_variables(TXF_BOOTSTRAP_REPLICATION="5"),
    ),
    "a missing topic": fault("topics", "missing: late; run `txfeatures bootstrap`", remade(LATE)),
    "too few partitions": fault("partitions", "raw 2, deduped 4", remade(RAW, partitions=2)),
    "a second partition where order matters": fault(
        "partitions", "feed has 2 partitions and needs exactly one", remade(FEED, partitions=2)
    ),
    "too few replicas": fault(
        "replicas",
        r"\(feed 1\)",
        remade(FEED, partitions=1, replication=1),
        "configuration of topics",  # brokers want two by default, so nothing can be written
    ),
    "unclean elections": fault(
        "configuration of topics",
        "topic deduped: unclean.leader.*--add-config unclean.leader.election.enable=false",
        configured(DEDUPED, "unclean.leader.election.enable", "true"),
    ),
    "acknowledgement by one replica": fault(
        "configuration of topics",
        "topic raw: min.insync.replicas is 1",
        configured(RAW, "min.insync.replicas", "1"),
    ),
    "acknowledgement by more replicas than there are": fault(
        "configuration of topics",
        "topic raw: min.insync.replicas is 4 of 3 replicas, so every write is refused",
        configured(RAW, "min.insync.replicas", "4"),
    ),
    "a changelog that is not compacted": fault(
        "configuration of topics",
        f"topic {SEEN}: cleanup.policy is delete, not compact",
        configured(SEEN, "cleanup.policy", "delete"),
    ),
    "a compacted topic of transactions": fault(
        "configuration of topics",
        "topic raw: cleanup.policy is compact, not delete",
        configured(RAW, "cleanup.policy", "compact"),
    ),
    "too short a retention": fault(
        "configuration of topics",
        "topic late: retention.ms is 1000, .*retention.ms=2592000000",
        configured(LATE, "retention.ms", "1000"),
    ),
    "too small a record": fault(
        "configuration of topics",
        "topic raw: max.message.bytes is 1048576, .*max.message.bytes=8388608",
        configured(RAW, "max.message.bytes", "1048576"),
    ),
    "time stamps of brokers": fault(
        "configuration of topics",
        "topic feed: message.timestamp.type is LogAppendTime",
        configured(FEED, "message.timestamp.type", "LogAppendTime"),
    ),
}

OF_AWS = {
    "no credentials": fault(
        "credentials",
        "no credentials.*set AWS_PROFILE",
        with_variables(
            AWS_ACCESS_KEY_ID=None,
            AWS_SECRET_ACCESS_KEY=None,
            AWS_EC2_METADATA_DISABLED="true",
            AWS_SHARED_CREDENTIALS_FILE="/dev/null",
            AWS_CONFIG_FILE="/dev/null",
        ),
    ),
    "expired credentials": fault("identity", "the credentials have expired.*renew them", expired),
    "an AWS out of reach": fault(
        "identity",
        "STS of region eu-west-1 does not answer.*AWS_ENDPOINT_URL",
        lambda _: variables(AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}"),
    ),
    "a skewed clock": fault("clock", r"this machine is (899|90[01]) s behind AWS", skewed),
    "an absent bucket": fault(
        "bucket",
        "there is no bucket txfeatures-absent; run `txfeatures bootstrap`",
        with_variables(TXF_AWS_BUCKET="txfeatures-absent", AWS_ACCESS_KEY_ID=ADMINISTRATOR),
        # Both stay about the bucket that they were made for.
        "state of the stores",
        "archive's table",
    ),
    "a bucket of another owner": fault(
        "bucket",
        "belongs to another account than TXF_AWS_BUCKET_OWNER=999999999999",
        with_variables(TXF_AWS_BUCKET_OWNER="999999999999"),
    ),
    "an absent feature group": fault(
        "feature group", "there is no feature group bitcoin", with_group()
    ),
    "a feature group of another type": fault(
        "schema",
        "total_fee_1min is String, declared Integral",
        with_group(FeatureDefinitions=retyped("total_fee_1min", "String")),
    ),
    "a feature group without a feature": fault(
        "schema",
        "lacks the features rbf_share_1min.*run `txfeatures bootstrap`",
        with_group(FeatureDefinitions=retyped("rbf_share_1min", None)),
    ),
    "a feature of another meaning": fault(
        "meanings",
        "total_fee_1min is .*, declared .*new names",
        with_features(lambda text: text.replace("from: fee\n", "from: fee + 1\n", 1)),
    ),
    "a feature group that hangs": fault("feature group", "has not answered in time", hanging),
    "an absent table": fault("archive's table", "no table txfeatures.transactions", without_table),
}

RIGHTS = {
    "s3:ListBucket": "bucket",
    "s3:GetObject": "right to read objects",
    "s3:PutObject": "right to write objects",
    "sagemaker:DescribeFeatureGroup": "feature group",
    "sagemaker:DescribeFeatureMetadata": "meanings",
    "sagemaker:GetRecord": "right to read rows",
    "sagemaker:BatchGetRecord": "right to read rows",
    "sagemaker:PutRecord": "right to write rows",
    "sagemaker:BatchWriteRecord": "right to write rows",
    "athena:GetWorkGroup": "workgroup",
}
"""Right -> the check that must name it."""

OF_RIGHTS = {
    f"without {action}": fault(
        check,
        f"the right {action} on .* is missing|{action} on it is missing",
        without_right(action),
    )
    for action, check in RIGHTS.items()
}

FAULTS: Mapping[str, Fault] = OF_SETTINGS | OF_KAFKA | OF_AWS | OF_RIGHTS
