"""Rights in Kafka: the actions of MSK's IAM access control, and the same rights as Kafka's ACLs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["cluster", "topic", "group", "transactional-id"]
"""A kind of resource, by the name that it has in an ARN of MSK."""

CLUSTER = ""
"""Name of the one resource of the kind ``cluster``."""

REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ReadData": ("DescribeTopic",),
        "WriteData": ("DescribeTopic",),
        "DescribeTopicDynamicConfiguration": ("DescribeTopic",),
        "AlterGroup": ("DescribeGroup",),
        "AlterTransactionalId": ("DescribeTransactionalId",),
    }
)
"""Actions on the same resource without which MSK refuses an action (AWS's table of semantics).

Across resources, ReadData needs AlterGroup on the consumer's group, also of one that only
assigns, and WriteData of an idempotent producer needs WriteDataIdempotently on the cluster.
"""

OPERATIONS: Mapping[str, tuple[Kind, str | None]] = MappingProxyType(
    {
        "Connect": ("cluster", None),
        "WriteDataIdempotently": ("cluster", "IdempotentWrite"),
        "DescribeClusterDynamicConfiguration": ("cluster", "DescribeConfigs"),
        "CreateTopic": ("topic", "Create"),
        "DescribeTopic": ("topic", "Describe"),
        "DescribeTopicDynamicConfiguration": ("topic", "DescribeConfigs"),
        "ReadData": ("topic", "Read"),
        "WriteData": ("topic", "Write"),
        "DescribeGroup": ("group", "Describe"),
        "AlterGroup": ("group", "Read"),
        "DescribeTransactionalId": ("transactional-id", "Describe"),
        "AlterTransactionalId": ("transactional-id", "Write"),
    }
)
"""Action of MSK -> the kind of its resource, and the operation of Kafka's ACLs that equals it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaRights:
    """The topics, groups and transactions of a process. Names may end in ``*``.

    Attributes:
        reads: Topics that it reads.
        writes: Topics that it writes; its producers are idempotent.
        counts: Topics whose number of partitions it verifies, so it must see them.
        creates: Topics that it creates, and whose configuration it checks.
        inspects: Topics whose configuration it reads.
        joins: Groups in whose name it reads.
        watches: Groups whose committed offsets it looks up.
        transacts: Ids of its transactions.
        checks_brokers: Whether it reads the brokers' configuration.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    creates: tuple[str, ...] = ()
    inspects: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    watches: tuple[str, ...] = ()
    transacts: tuple[str, ...] = ()
    checks_brokers: bool = False

    def actions(self) -> dict[tuple[Kind, str], set[str]]:
        """Return the actions on each resource, with those that they require."""
        found: dict[tuple[Kind, str], set[str]] = {("cluster", CLUSTER): {"Connect"}}
        for names, action in (
            (self.reads, "ReadData"),
            (self.writes, "WriteData"),
            (self.counts, "DescribeTopic"),
            (self.creates, "CreateTopic"),
            (self.creates, "DescribeTopicDynamicConfiguration"),
            (self.inspects, "DescribeTopicDynamicConfiguration"),
            (self.joins, "AlterGroup"),
            (self.watches, "DescribeGroup"),
            (self.transacts, "AlterTransactionalId"),
            ((CLUSTER,) if self.writes else (), "WriteDataIdempotently"),
            ((CLUSTER,) if self.checks_brokers else (), "DescribeClusterDynamicConfiguration"),
        ):
            for name in names:
                resource = found.setdefault((OPERATIONS[action][0], name), set())
                resource |= {action, *REQUIRED.get(action, ())}
        return found

    def statements(self) -> list[tuple[tuple[str, ...], Kind, tuple[str, ...]]]:
        """Return actions, kind and names: resources with equal actions stand together."""
        grouped: dict[tuple[Kind, tuple[str, ...]], list[str]] = {}
        for (kind, name), actions in self.actions().items():
            grouped.setdefault((kind, tuple(sorted(actions))), []).append(name)
        return [(actions, kind, tuple(sorted(n))) for (kind, actions), n in grouped.items()]

    def acls(self) -> Iterator["Acl"]:
        """Yield the same rights as Kafka ACLs, for clusters whose users log in by SCRAM or TLS."""
        for (kind, name), actions in self.actions().items():
            for action in sorted(actions):
                if operation := OPERATIONS[action][1]:
                    yield Acl(action=action, kind=kind, name=name, operation=operation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acl:
    """One operation that an ACL allows.

    Attributes:
        action: The action of MSK that it equals.
        kind: The kind of the resource.
        name: Its name; one that ends in ``*`` is a prefix.
        operation: The operation, as ``kafka-acls`` spells it.
    """

    action: str
    kind: Kind
    name: str
    operation: str

    @property
    def is_prefix(self) -> bool:
        """True if the name is that of several resources."""
        return self.name.endswith("*")

    @property
    def resource(self) -> str:
        """Name or prefix, as Kafka wants it."""
        return "kafka-cluster" if self.kind == "cluster" else self.name.removesuffix("*")

    def arguments(self) -> str:
        """Return the arguments of ``kafka-acls`` that name the resource and the operation."""
        if self.kind == "cluster":
            return f"--cluster --operation {self.operation}"
        pattern = " --resource-pattern-type prefixed" if self.is_prefix else ""
        return f"--{self.kind} {self.resource}{pattern} --operation {self.operation}"
