"""Kafka's settings for brokers on one machine: records of any date, fast to start."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kafka_local.ports import HOST
from kafka_local.security import CLIENTS, ListenerSecurity

MAX_RECORD_BYTES = 20 * 1024 * 1024
MAX_MESSAGE_BYTES = MAX_RECORD_BYTES + 1024 * 1024  # with room for headers and the batch

MAX_REPLICAS = 3

_INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1

_FIXED = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    # Brokers reach one another, and themselves, as clients do unless clients must log in.
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": "logs",
    # With few internal partitions, the broker starts faster.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the controller accepts the broker again only when its old session has
    # expired; the default is 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # A controlled shutdown needs the controller, and waits in vain when the whole cluster
    # ends; without it, partitions get new leaders when the broker's session expires.
    "controlled.shutdown.enable": "false",
    # A misspelt topic is an error, as in production.
    "auto.create.topics.enable": "false",
    # Room for the largest record; a topic may allow less.
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
    # Records of any date: none is too old to keep or too new to accept, and the state of a
    # producer does not expire because its records are old.
    "log.retention.ms": "-1",
    "log.message.timestamp.after.max.ms": str(_LONG_MAX),
    "producer.id.expiration.check.interval.ms": str(_INT_MAX),
    # The default of 128 MB is allocated at once, a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A node's identity in its cluster and its ports on the loopback interface.

    Attributes:
        node_id: Its number, unique in the cluster.
        port: Serves clients.
        controller_port: Serves the controllers of the cluster.
        internal_port: Serves the other brokers, in plain text; ``port`` unless that is secured.
    """

    node_id: int = 1
    port: int
    controller_port: int
    internal_port: int

    @property
    def ports(self) -> frozenset[int]:
        """Every port the node listens on."""
        return frozenset((self.port, self.controller_port, self.internal_port))


def broker_properties(
    address: Address,
    *,
    cluster: Sequence[Address] = (),
    security: ListenerSecurity | None = None,
    overrides: Mapping[str, str],
) -> dict[str, str]:
    """Return the settings of one node, which is a broker and a controller.

    Args:
        address: The node's own address.
        cluster: The addresses of all nodes of the cluster; empty for a node by itself.
        security: The security of the clients' listener; None for plain text.
        overrides: Settings that override this module's.
    """
    nodes = cluster or (address,)
    listeners = f"PLAINTEXT://{HOST}:{address.internal_port}"
    secured: dict[str, str] = {}
    if security is not None:
        listeners = f"{CLIENTS}://{HOST}:{address.port},{listeners}"
        protocols = f"{CLIENTS}:{security.protocol},PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
        secured = {"listener.security.protocol.map": protocols, **security.properties()}
    return {
        **_FIXED,
        **_replication(len(nodes)),
        "node.id": str(address.node_id),
        "listeners": f"{listeners},CONTROLLER://{HOST}:{address.controller_port}",
        "advertised.listeners": listeners,
        "controller.quorum.voters": ",".join(
            f"{node.node_id}@{HOST}:{node.controller_port}" for node in nodes
        ),
        **secured,
        **overrides,
    }


def _replication(brokers: int) -> dict[str, str]:
    """Return settings with which an acknowledged record survives the loss of one of three."""
    replicas = min(brokers, MAX_REPLICAS)
    in_sync = max(1, replicas - 1)
    return {
        "default.replication.factor": str(replicas),
        "min.insync.replicas": str(in_sync),
        "offsets.topic.replication.factor": str(replicas),
        "transaction.state.log.replication.factor": str(replicas),
        "transaction.state.log.min.isr": str(in_sync),
    }


def format_properties(properties: Mapping[str, str]) -> str:
    """Return the text of a Java properties file, in ASCII.

    JSON escapes what the format needs escaped (backslashes, control characters, everything
    beyond ASCII) in the way the format reads.
    """
    return "".join(f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())
