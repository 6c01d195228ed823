"""Settings of a worker, and the properties of its librdkafka clients that follow from them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faust_microbatch.errors import MicrobatchError

MIB = 1024 * 1024

RESERVED = frozenset(
    {
        "auto.offset.reset",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "group.id",
        "group.instance.id",
        "group.protocol",
        "isolation.level",
        "metadata.recovery.strategy",
        "partition.assignment.strategy",
        "transactional.id",
    }
)
"""Properties on which exactly once rests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one worker.

    Attributes:
        group: Consumer group, which is the app's id.
        bootstrap_servers: Brokers, ``host:port``, comma-separated.
        instance_id: Name that this worker keeps across restarts. It becomes a static member
            of the group with a fixed transactional id, so that a restart moves no partition
            and aborts at once what its former life left open. None: a member like any other.
        commit_interval_s: How long finished batches are gathered into one transaction while more
            are coming. The last one is committed at once.
        linger_s: How long a read waits for more after its first record, at most: long enough for
            the other partitions that were written with it, so that they share a transaction. It
            ends sooner once they are there and nothing more comes.
        max_poll_records: Most records of one read, hence of one batch.
        max_buffered_bytes: Bytes that may have been read and not been committed; beyond
            that nothing is read until there is room.
        max_record_bytes: Largest record that is read or written.
        session_timeout_s: A worker that is silent for that long loses its partitions.
        transaction_timeout_s: A transaction that is open for that long is aborted by the
            broker. The next owner of a dead worker's partitions may have to wait for it.
        quiesce_timeout_s: How long agents may take to finish what they have begun when
            partitions are given back or the worker stops.
        librdkafka: Properties of every client (security, logging); they win over ours, except
            those on which exactly once rests, which are refused. Not shown: there are passwords
            among them.

    Raises:
        MicrobatchError: A property is refused.
    """

    group: str
    bootstrap_servers: str
    instance_id: str | None = None
    commit_interval_s: float = 0.1
    linger_s: float = 0.01
    max_poll_records: int = 4000
    max_buffered_bytes: int = 64 * MIB
    max_record_bytes: int = MIB
    session_timeout_s: float = 10.0
    transaction_timeout_s: float = 15.0
    quiesce_timeout_s: float = 60.0
    librdkafka: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if refused := sorted(RESERVED & self.librdkafka.keys()):
            raise MicrobatchError(
                f"librdkafka must not set {', '.join(refused)}: exactly once rests on it"
            )

    def client(self) -> dict[str, Any]:
        """Return the properties that every client has."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": self.instance_id or self.group,
            "reconnect.backoff.ms": 250,
            "logger": logging.getLogger("librdkafka"),
            **self.librdkafka,
        }

    def reader(self) -> dict[str, Any]:
        """Return the properties of a consumer without a group: read committed, no commits."""
        return {
            "group.id": self.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            # The default of a second starves agents that are a little quicker than the fetch.
            "fetch.queue.backoff.ms": 20,
            "max.partition.fetch.bytes": max(MIB, self.max_record_bytes),
            "fetch.max.bytes": 50 * MIB + self.max_record_bytes,
            "receive.message.max.bytes": 60 * MIB + self.max_record_bytes,
            **self.client(),
        }

    def member(self) -> dict[str, Any]:
        """Return the properties of the consumer that is a member of the group.

        The assignor is ``range``: it gives partition n of every topic to the same worker,
        as tables that are fed from several topics need it.
        """
        static = {"group.instance.id": self.instance_id} if self.instance_id else {}
        return {
            **static,
            "partition.assignment.strategy": "range",
            "session.timeout.ms": round(self.session_timeout_s * 1000),
            # Members notice a rebalance at their next heartbeat; until then, work stands still.
            "heartbeat.interval.ms": round(self.session_timeout_s * 1000 / 20),
            # Partitions that are added to a topic are noticed after that long; 5 min by default.
            "topic.metadata.refresh.interval.ms": 10_000,
            "queued.max.messages.kbytes": max(1024, self.max_buffered_bytes // 1024),
            **self.reader(),
            # An offset that is gone is an error, which the fetcher reports before it goes on.
            "auto.offset.reset": "error",
        }

    def producer(self, transactional_id: str) -> dict[str, Any]:
        """Return the properties of the transactional producer."""
        return {
            "transactional.id": transactional_id,
            # When no broker answers, a re-bootstrap forgets the group's coordinator while a
            # transaction asks for it, and the call never returns (librdkafka issue 5511).
            "metadata.recovery.strategy": "none",
            "transaction.timeout.ms": round(self.transaction_timeout_s * 1000),
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,  # a commit flushes at once
            # A transaction that begins while the broker still writes the markers of the last one
            # is refused for some milliseconds; the default waits for 100.
            "retry.backoff.ms": 10,
            # The transaction answers for its records; a report for each would only cost.
            "delivery.report.only.error": True,
            "batch.size": MIB,
            "message.max.bytes": max(MIB, self.max_record_bytes),
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 2 * self.max_buffered_bytes // 1024,
            **self.client(),
        }
