"""Missing rights in Kafka as sentences: the operation, the resource and the way out."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from confluent_kafka import KafkaError

Kind = Literal["topic", "group", "transactional id", "cluster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """A right that our clients need.

    Attributes:
        kind: The kind of resource.
        operation: Name of the operation in Kafka's ACLs.
        action: Name of the same right in MSK's IAM access control.
    """

    kind: Kind
    operation: str
    action: str

    def missing(self, name: str) -> str:
        """Return the sentence for a client that lacks this right on the resource ``name``."""
        resource = "the cluster" if self.kind == "cluster" else f"{self.kind} {name}"
        return (
            f"Kafka denies {self.operation} on {resource}: grant it to this login, with MSK's IAM "
            f"as kafka-cluster:{self.action}; `python -m deploy.iam` writes the rights of every "
            "process"
        )


READ: Final = Right(kind="topic", operation="Read", action="ReadData")
WRITE: Final = Right(kind="topic", operation="Write", action="WriteData")
CREATE: Final = Right(kind="topic", operation="Create", action="CreateTopic")
DESCRIBE: Final = Right(kind="topic", operation="Describe", action="DescribeTopic")
DESCRIBE_TOPIC_CONFIG: Final = Right(
    kind="topic", operation="DescribeConfigs", action="DescribeTopicDynamicConfiguration"
)
DESCRIBE_CLUSTER_CONFIG: Final = Right(
    kind="cluster", operation="DescribeConfigs", action="DescribeClusterDynamicConfiguration"
)
WRITE_IDEMPOTENTLY: Final = Right(
    kind="cluster", operation="IdempotentWrite", action="WriteDataIdempotently"
)
DESCRIBE_GROUP: Final = Right(kind="group", operation="Describe", action="DescribeGroup")
JOIN: Final = Right(kind="group", operation="Read", action="AlterGroup")
TRANSACT: Final = Right(kind="transactional id", operation="Write", action="AlterTransactionalId")

_KINDS: Mapping[int, Kind] = MappingProxyType(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
        KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
        KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
    }
)


def missing_right(error: KafkaError, *needed: tuple[Right, str]) -> str | None:
    """Return the sentence for the right whose lack ``error`` reports, None for another error.

    Args:
        error: The error of a call.
        needed: The rights that the call needs, each with the name of its resource.
    """
    kind = _KINDS.get(error.code())
    return next((right.missing(name) for right, name in needed if right.kind == kind), None)
