"""The topics as data: one list for bootstrap, the services and the chart."""

from dataclasses import dataclass
from typing import Literal

RAW = "raw"
DEDUPED = "deduped"
PARTIALS = "partials"
AGGREGATED = "aggregated"
FEED = "feed"
LATE = "late"

MAX_RECORD_BYTES = 20 * 1024 * 1024
"""Largest record that every producer, topic and consumer accepts.

The largest transaction seen has 4.4 MB of JSON (block 367891). Consensus allows
about 111,000 outputs in one transaction (1 MB of 9-byte outputs), each about 150
bytes of the source's JSON: 17 MB.
"""

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

    def config(self, *, keep_forever: bool) -> dict[str, str]:
        """Return the topic's Kafka configuration.

        Args:
            keep_forever: Ignore ``retention_h``. Retention goes by the timestamp of the
                record, so a broker would delete a replay of an old recording at once.
        """
        hours = None if keep_forever else self.retention_h
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": "-1" if hours is None else str(hours * 3_600_000),
            "max.message.bytes": str(MAX_RECORD_BYTES),
            "message.timestamp.type": "CreateTime",
            # The feed clock may show any date: a recording of next year is legal.
            "message.timestamp.after.max.ms": str(2**63 - 1),
        }


def dead_letter_topic(topic: str) -> str:
    """Return the name of the dead letter topic of ``topic``."""
    return f"{topic}.dlq"


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
    _changelog("dedup", "seen", scales=True),
    _changelog("aggregator", "folds", scales=True),
    _changelog("aggregator", "merged", scales=False),
)
