"""Judgement of effective Kafka configuration: what can lose, refuse or delete records [pure].

The configuration that counts is the one that brokers apply: a topic's own properties over the
cluster's over Kafka's defaults.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from txfeatures.domain.topics import DAY_H, SAFE_REPLICATION, Topic

Config = Mapping[str, str]
"""Effective configuration: property -> value, as DescribeConfigs returns it."""

IAM_KAFKA_VERSION = (3, 8)
"""From here on MSK's IAM access control has the request that ends transactions."""

OFFSETS_KEPT_H = 7 * DAY_H
"""Hours for which a group that stands still must keep its offsets: as long as its records."""

_UNLIMITED = 2**63 - 1
_TIMESTAMP_LIMITS = {
    "message.timestamp.after.max.ms": "after",
    "message.timestamp.before.max.ms": "before",
    "message.timestamp.difference.max.ms": "before or after",
}
_INTERNAL_REPLICATION = {
    "offsets.topic.replication.factor": "committed offsets",
    "transaction.state.log.replication.factor": "open transactions",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as it is in the cluster.

    Attributes:
        topic: Its declaration.
        replicas: Replicas of the partition that has the fewest.
        config: Its effective configuration.
    """

    topic: Topic
    replicas: int
    config: Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """The demands of this pipeline that depend on settings.

    Attributes:
        max_record_bytes: Size of the largest record.
        keep_forever: True if topics must keep records of any age.
        uses_iam: True if clients log in by MSK's IAM.
    """

    max_record_bytes: int
    keep_forever: bool = False
    uses_iam: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One unsafe property.

    Attributes:
        resources: The topics or brokers that have it: ``topic raw``, ``broker 1``.
        problem: The property, its value and the consequence.
        remedy: The way out.
    """

    resources: tuple[str, ...]
    problem: str
    remedy: str

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        kind, _, _ = self.resources[0].partition(" ")
        names = ", ".join(name.removeprefix(f"{kind} ") for name in self.resources)
        plural = "" if len(self.resources) == 1 else "s"
        return f"{kind}{plural} {names}: {self.problem}; {self.remedy}"


def findings(
    topics: Sequence[TopicState],
    brokers: Mapping[int, Config],
    *,
    broker_count: int,
    demands: Demands,
) -> list[Finding]:
    """Return everything unsafe; resources with the same problem share a finding.

    Args:
        topics: The topics of the pipeline that exist.
        brokers: Configuration of each broker that could be read, by its number.
        broker_count: Number of brokers in the cluster.
        demands: What the pipeline needs of it.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for state in topics:
        for reason in _of_topic(state, broker_count, demands):
            found.setdefault(reason, []).append(f"topic {state.topic.name}")
    for number, config in brokers.items():
        for reason in _of_broker(config, broker_count, demands):
            found.setdefault(reason, []).append(f"broker {number}")
    return [
        Finding(resources=tuple(resources), problem=problem, remedy=remedy)
        for (problem, remedy), resources in found.items()
    ]


def kafka_version(broker: Config) -> tuple[int, int] | None:
    """Return the version of Kafka that a broker's configuration shows, None from Kafka 4.0 on."""
    match = re.match(r"(\d+)\.(\d+)", broker.get("inter.broker.protocol.version", ""))
    return (int(match[1]), int(match[2])) if match else None


Reason = tuple[str, str]
"""Problem and remedy."""


def _of_topic(state: TopicState, broker_count: int, demands: Demands) -> Iterator[Reason]:
    yield from _of_replicas(state, broker_count)
    yield from _of_acknowledgements(state)
    yield from _of_retention(state, demands)
    config = state.config
    largest = config.get("max.message.bytes")
    if largest is not None and int(largest) < demands.max_record_bytes:
        yield (
            f"max.message.bytes is {largest}, so larger records are refused",
            _set_topic("max.message.bytes", demands.max_record_bytes),
        )
    if (kind := config.get("message.timestamp.type", "CreateTime")) != "CreateTime":
        yield (
            f"message.timestamp.type is {kind}, so records lose the feed's time",
            _set_topic("message.timestamp.type", "CreateTime"),
        )
    for name, side in _TIMESTAMP_LIMITS.items():
        limit_ms = int(config.get(name, _UNLIMITED))
        if limit_ms < _UNLIMITED:
            yield (
                f"{name} is {limit_ms}, so a record dated more than {limit_ms / 3_600_000:g} h "
                f"{side} the brokers' time is refused, and a replay stops",
                _set_topic(name, _UNLIMITED),
            )


def _of_replicas(state: TopicState, broker_count: int) -> Iterator[Reason]:
    replicas = state.replicas
    if replicas < min(SAFE_REPLICATION, broker_count):
        yield (
            f"it has {_counted(replicas, 'replica')} on {broker_count} brokers, so the loss of a "
            "broker can lose acknowledged records or stop writes",
            f"give it {SAFE_REPLICATION} replicas by `kafka-reassign-partitions`"
            if broker_count >= SAFE_REPLICATION
            else f"use {SAFE_REPLICATION} brokers and replicas",
        )
    if replicas > 1 and state.config.get("unclean.leader.election.enable") == "true":
        yield (
            "unclean.leader.election.enable is true, so a replica that lacks acknowledged records "
            "may become the leader, and they are lost",
            _set_topic("unclean.leader.election.enable", "false"),
        )


def _of_acknowledgements(state: TopicState) -> Iterator[Reason]:
    replicas, in_sync = state.replicas, int(state.config.get("min.insync.replicas", 0))
    if in_sync > replicas:
        yield (
            f"min.insync.replicas is {in_sync} of {_counted(replicas, 'replica')}, so every write "
            "is refused",
            _set_topic("min.insync.replicas", max(1, replicas - 1)),
        )
    elif in_sync == 1 < replicas:
        yield (
            f"min.insync.replicas is {in_sync}, so a record may be acknowledged that only one "
            "broker has",
            _set_topic("min.insync.replicas", 2)
            if replicas >= SAFE_REPLICATION
            else f"use {SAFE_REPLICATION} replicas, and 2 here",
        )
    elif in_sync == replicas > 1:
        yield (
            f"min.insync.replicas is {in_sync} of {replicas} replicas, so the restart of one "
            "broker stops all writes",
            _set_topic("min.insync.replicas", replicas - 1)
            if replicas >= SAFE_REPLICATION
            else f"use {SAFE_REPLICATION} replicas",
        )


def _of_retention(state: TopicState, demands: Demands) -> Iterator[Reason]:
    topic, config = state.topic, state.config
    if (policy := config.get("cleanup.policy", topic.cleanup)) != topic.cleanup:
        yield (
            f"cleanup.policy is {policy}, not {topic.cleanup}, so records that are still needed "
            "are removed",
            _set_topic("cleanup.policy", topic.cleanup),
        )
        return
    if topic.cleanup == "compact":
        return
    hours = None if demands.keep_forever else topic.retention_h
    wanted_ms = _UNLIMITED if hours is None else hours * 3_600_000
    kept_ms = int(config.get("retention.ms", -1))
    if 0 <= kept_ms < wanted_ms:
        yield (
            f"retention.ms is {kept_ms}, so records are deleted after {kept_ms / 3_600_000:g} h, "
            "read or not",
            _set_topic("retention.ms", -1 if hours is None else wanted_ms),
        )
    if (kept_bytes := int(config.get("retention.bytes", -1))) >= 0:
        yield (
            f"retention.bytes is {kept_bytes}, so records are deleted by size, read or not",
            _set_topic("retention.bytes", -1),
        )


def _of_broker(config: Config, broker_count: int, demands: Demands) -> Iterator[Reason]:
    if config.get("auto.create.topics.enable") == "true":
        yield (
            "auto.create.topics.enable is true, so a deleted topic comes back with the brokers' "
            "defaults as soon as a client looks for it",
            _set_broker("auto.create.topics.enable", "false"),
        )
    if broker_count > 1 and config.get("unclean.leader.election.enable") == "true":
        yield (
            "unclean.leader.election.enable is true, which also holds for Kafka's own topic of "
            "committed offsets: services may go back and repeat work",
            _set_broker("unclean.leader.election.enable", "false"),
        )
    wanted = min(SAFE_REPLICATION, broker_count)
    for name, kept in _INTERNAL_REPLICATION.items():
        if int(config.get(name, wanted)) < wanted:
            yield (
                f"{name} is {config[name]}, so {kept} may be lost with a broker",
                f"{_set_broker(name, wanted)} before the first start, or reassign Kafka's topic",
            )
    minutes = int(config.get("offsets.retention.minutes", OFFSETS_KEPT_H * 60))
    if minutes < OFFSETS_KEPT_H * 60:
        yield (
            f"offsets.retention.minutes is {minutes}, so a service that stands still for "
            f"{minutes / 60:g} h loses its place",
            _set_broker("offsets.retention.minutes", OFFSETS_KEPT_H * 60),
        )
    version = kafka_version(config)
    if demands.uses_iam and version and version < IAM_KAFKA_VERSION:
        needed = ".".join(map(str, IAM_KAFKA_VERSION))
        yield (
            f"it runs Kafka {version[0]}.{version[1]}, in which MSK's IAM lacks the request that "
            "ends transactions",
            f"use Kafka {needed} or newer, or TXF_KAFKA_SECURITY=scram",
        )


def _set_topic(name: str, value: object) -> str:
    return f"run `kafka-configs --alter --entity-type topics --add-config {name}={value}` on each"


def _set_broker(name: str, value: object) -> str:
    return f"set {name}={value} in the cluster's configuration"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
