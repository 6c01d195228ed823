"""The settings of the embedded broker: one node, records of any date, fast to start."""

import json
from collections.abc import Mapping

from kafka_local.ports import HOST
from kafka_local.security import CLIENTS, ListenerSecurity

MAX_RECORD_BYTES = 20 * 1024 * 1024
MAX_MESSAGE_BYTES = MAX_RECORD_BYTES + 1024 * 1024  # with room for headers and the batch

_INT_MAX = 2**31 - 1
_LONG_MAX = 2**63 - 1

_FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # The broker's own way to itself, which is its clients' way too unless that is secured.
    "inter.broker.listener.name": "PLAINTEXT",
    "log.dirs": "logs",
    # One node: nothing can be replicated, and few internal partitions start faster.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    # After a kill the controller takes the broker back only when its old session has run out;
    # the default is 9 s.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # A misspelt topic is an error, as in production.
    "auto.create.topics.enable": "false",
    # The largest transaction fits; a topic may ask for less.
    "message.max.bytes": str(MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
    # Recordings of any date: no record is too old to keep or too new to take, and a producer
    # is not forgotten because its records are old.
    "log.retention.ms": "-1",
    "log.message.timestamp.after.max.ms": str(_LONG_MAX),
    "producer.id.expiration.check.interval.ms": str(_INT_MAX),
    # The default of 128 MB is allocated at once, a quarter of the heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


def broker_properties(
    *, port: int, controller_port: int, overrides: Mapping[str, str]
) -> dict[str, str]:
    """Return Kafka's settings for a node that listens on two ports of the loopback interface.

    Args:
        port: Where clients connect.
        controller_port: Where the broker talks to the controller in the same process.
        overrides: Settings that win over this module's.
    """
    return {
        **_FIXED,
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        **overrides,
    }


def secured(
    properties: Mapping[str, str], security: ListenerSecurity, *, port: int, own_port: int
) -> dict[str, str]:
    """Return ``properties`` with a secured listener for clients.

    Args:
        properties: Those of a broker whose clients need to show nothing.
        security: What they have to show.
        port: Where they connect.
        own_port: Where the broker talks to itself, still in plain text.
    """
    moved = {
        name: properties[name].replace(
            f"PLAINTEXT://{HOST}:{port}",
            f"{CLIENTS}://{HOST}:{port},PLAINTEXT://{HOST}:{own_port}",
        )
        for name in ("listeners", "advertised.listeners")
    }
    protocols = f"{CLIENTS}:{security.protocol},PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
    return {
        **properties,
        **moved,
        "listener.security.protocol.map": protocols,
        **security.properties(),
    }


def format_properties(properties: Mapping[str, str]) -> str:
    """Return the text of a Java properties file, in ASCII.

    JSON escapes what the format needs escaped (backslashes, control characters, everything
    beyond ASCII) in the way the format reads.
    """
    return "".join(f"{name}={json.dumps(value)[1:-1]}\n" for name, value in properties.items())
