"""One broker of a cluster, which can be started, stopped and killed by itself."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kafka_local.errors import LocalKafkaError
from kafka_local.java import Java
from kafka_local.node import Node, new_cluster_id
from kafka_local.ports import HOST, is_free
from kafka_local.properties import Address

_STOP_GRACE_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A node with its settings and its place in a cluster.

    Attributes:
        node: The process and its directory.
        address: The node's ports.
        properties: The node's settings, all of them.
        format_arguments: Arguments of the storage tool, for a new directory.
        java: Returns the Java to run on, downloading it if need be.
    """

    node: Node
    address: Address
    properties: Mapping[str, str] = field(repr=False)
    format_arguments: Sequence[str] = field(repr=False)
    java: Callable[[], Java] = field(repr=False)

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` of this broker for Kafka clients, the same after each restart."""
        return f"{HOST}:{self.address.port}"

    @property
    def log_path(self) -> Path:
        """The file with the broker's log, appended to by each start."""
        return self.node.log_path

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None while it is down."""
        return self.node.pid

    def start(self) -> None:
        """Start the broker and return when it serves; do nothing if it is up.

        Raises:
            LocalKafkaError: It can't start, or too few brokers of its cluster are up.
        """
        start([self], cluster_id=self.node.cluster_id or new_cluster_id())

    def stop(self) -> None:
        """End the broker in order; do nothing if it is down."""
        stop([self])

    def kill(self) -> None:
        """End the broker with SIGKILL, as a crash would; do nothing if it is down."""
        self.node.kill()


def start(brokers: Sequence[Broker], *, cluster_id: str) -> None:
    """Start those ``brokers`` that are down; return when all serve, or leave none of them up.

    Raises:
        LocalKafkaError: A port is in use, Kafka can't be downloaded, or a broker can't start.
    """
    down = [broker for broker in brokers if broker.pid is None]
    for port in sorted(port for broker in down for port in broker.address.ports):
        if not is_free(port):
            raise LocalKafkaError(
                f"Port {port} of {HOST} is in use; stop the server there or choose another port."
            )
    with ExitStack() as undo:
        for broker in down:
            undo.callback(broker.kill)
            broker.node.launch(
                broker.java(),
                broker.properties,
                cluster_id=cluster_id,
                format_arguments=broker.format_arguments,
            )
        for broker in down:
            address = broker.address
            broker.node.wait_until_serving(address.internal_port, address.node_id)
        undo.pop_all()


def stop(brokers: Sequence[Broker]) -> None:
    """End ``brokers`` in order, all at the same time; do nothing for those that are down."""
    for broker in brokers:
        broker.node.terminate()
    for broker in brokers:
        broker.node.stop(_STOP_GRACE_S)
