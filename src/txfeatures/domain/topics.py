"""The topics as data: one list for bootstrap, the services and the chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

RAW = "raw"
DEDUPED = "deduped"
PARTIALS = "partials"
AGGREGATED = "aggregated"
FEED = "feed"
LATE = "late"

MAX_RECORD_BYTES = 8 * 1024 * 1024
"""Largest record of producers and topics unless settings have another, and MSK Serverless's limit.

The largest transaction seen has 4.4 MB of JSON (block 367891). Consensus allows
about 111,000 outputs in one transaction (1 MB of 9-byte outputs), each about 150
bytes of the source's JSON: 17 MB, which no miner has included.
"""

RECORD_OVERHEAD_BYTES = 64 * 1024
"""Room in a record beside its value: for key, headers and framing."""

BrokerKind = Literal["standard", "express", "serverless"]
"""Kinds of brokers by the properties of topics that they accept: Kafka itself and MSK's standard
brokers, MSK's Express brokers, MSK Serverless."""

_ACKNOWLEDGED = frozenset({"min.insync.replicas", "unclean.leader.election.enable"})

FIXED_CONFIG: Mapping[BrokerKind, frozenset[str]] = MappingProxyType(
    {
        "standard": frozenset(),
        "express": _ACKNOWLEDGED,
        "serverless": _ACKNOWLEDGED | {"message.timestamp.after.max.ms"},
    }
)
"""Kind of brokers -> properties that AWS sets itself; it refuses a topic that has one of them."""

OPTIONAL_CONFIG = frozenset({"message.timestamp.after.max.ms"})
"""Configuration that brokers may not know: before Kafka 3.6 they take any timestamp without it."""

SAFE_REPLICATION = 3
"""Replicas of which one may be lost while two acknowledge each record."""

DAY_H = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic that bootstrap creates.

    Attributes:
        name: Topic name.
        key: Meaning of the key, for documentation.
        scales: True if it has the pipeline's number of partitions, False if it has one.
        cleanup: ``delete`` after ``retention_h``, or ``compact``.
        retention_h: Hours of log time for which records are kept; None keeps them for ever.
        description: One sentence.
    """

    name: str
    key: str
    scales: bool
    description: str
    cleanup: Literal["delete", "compact"] = "delete"
    retention_h: int | None = 7 * DAY_H

    def config(
        self,
        *,
        keep_forever: bool,
        replication: int = 1,
        kind: BrokerKind = "standard",
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> dict[str, str]:
        """Return the topic's Kafka configuration.

        With three replicas or more, an acknowledged record survives the loss of any broker: two
        replicas must have it, and none that lacks it may lead. Brokers' own defaults, MSK's
        among them, allow both.

        Args:
            replication: Number of replicas.
            keep_forever: Ignore ``retention_h``. Retention goes by the timestamp of the
                record, so a broker would delete a replay of an old recording at once.
            kind: The brokers; properties that they fix themselves are left out.
            max_record_bytes: Largest record.
        """
        hours = None if keep_forever else self.retention_h
        safe = {"min.insync.replicas": "2", "unclean.leader.election.enable": "false"}
        found = {
            **(safe if replication >= SAFE_REPLICATION else {}),
            "cleanup.policy": self.cleanup,
            "retention.ms": "-1" if hours is None else str(hours * 3_600_000),
            # Brokers may have a limit by size, MSK Serverless one of 250 GiB.
            "retention.bytes": "-1",
            "max.message.bytes": str(max_record_bytes),
            "message.timestamp.type": "CreateTime",
            # The feed clock may show any date: a recording of next year is legal.
            "message.timestamp.after.max.ms": str(2**63 - 1),
        }
        return {name: value for name, value in found.items() if name not in FIXED_CONFIG[kind]}


def refusal_of_partitions(counts: Mapping[str, int]) -> str | None:
    """Return the reason why topics can't be used whose numbers of partitions differ, if they do.

    Args:
        counts: Number of partitions of each topic; they must be equal.
    """
    if len(set(counts.values())) <= 1:
        return None
    found = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (
        f"topics that need equally many partitions differ ({found}), and Kafka can't remove any; "
        "stop the pollers, let the other services drain and stop them, delete all topics of the "
        "pipeline, and run `txfeatures bootstrap` with the number that you want"
    )


def dead_letter_topic(topic: str) -> str:
    """Return the name of the dead letter topic of ``topic``."""
    return f"{topic}.dlq"


def dead_letter_command(topic: str) -> str:
    """Return the command that lists the dead letters of ``topic``, for logs."""
    return f"txfeatures dlq list --topic {dead_letter_topic(topic)}"


def _dead_letters(topic: str) -> Topic:
    return Topic(
        name=dead_letter_topic(topic),
        key="as in the source topic; none from the poller",
        scales=True,
        retention_h=30 * DAY_H,
        description=f"Records of {topic} that can't be read, byte for byte, with the reason.",
    )


def _changelog(app: str, table: str, *, scales: bool) -> Topic:
    return Topic(
        name=f"{app}-{table}-changelog",
        key="table key",
        scales=scales,
        cleanup="compact",
        retention_h=None,
        description=f"Changelog of {app}'s Faust table {table}.",
    )


_SEEN = _changelog("dedup", "seen", scales=True)

ALIKE = (RAW, DEDUPED, _SEEN.name)
"""Topics between which records keep their partition: if one gets more, keys move."""

TOPICS: tuple[Topic, ...] = (
    Topic(
        name=RAW,
        key="transaction hash",
        scales=True,
        description="The JSON of each transaction as received from the source; ticks of the feed "
        "clock.",
    ),
    Topic(
        name=DEDUPED,
        key="transaction hash",
        scales=True,
        description="The first sighting of each transaction, from the same partition of raw.",
    ),
    Topic(
        name=PARTIALS,
        key="partition number",
        scales=False,
        description="Partials of each partition of deduped; internal to the aggregator.",
    ),
    Topic(
        name=AGGREGATED,
        key="minute",
        scales=True,
        description="Rows: each revision of the features of each minute.",
    ),
    Topic(
        name=FEED,
        key="poller name",
        scales=False,
        description="The heartbeat of each poll, published after its transactions were "
        "acknowledged.",
    ),
    Topic(
        name=LATE,
        key="transaction hash",
        scales=True,
        retention_h=30 * DAY_H,
        description="Transactions that are too late or too far in the future to be counted.",
    ),
    _dead_letters(RAW),
    _dead_letters(DEDUPED),
    _dead_letters(AGGREGATED),
    _SEEN,
    _changelog("aggregator", "folds", scales=True),
    _changelog("aggregator", "merged", scales=False),
)
