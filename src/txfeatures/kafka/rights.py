"""Missing rights in Kafka as sentences: the operation, the resource and the way out [pure]."""

from dataclasses import dataclass
from typing import Final, Literal

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
JOIN: Final = Right(kind="group", operation="Read", action="AlterGroup")
WATCH: Final = Right(kind="group", operation="Describe", action="DescribeGroup")
TRANSACT: Final = Right(kind="transactional id", operation="Write", action="AlterTransactionalId")
