"""Apache Kafka, with one broker or more, started and stopped by this process."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from kafka_local.broker import Broker, start, stop
from kafka_local.clock import Clock, SystemClock
from kafka_local.errors import LocalKafkaError
from kafka_local.jars import default_cache_dir, ensure_jars
from kafka_local.java import Java
from kafka_local.node import Node, new_cluster_id
from kafka_local.ports import free_ports
from kafka_local.properties import Address, broker_properties
from kafka_local.security import ListenerSecurity
from kafka_local.startup import with_startup_cache

_NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})


class EmbeddedKafka:
    """A Kafka cluster for demos and tests, of one broker or more; a context manager.

    The first start on a machine downloads Kafka (43 MB) and prepares faster starts, about 20 s
    in all; a later one takes one to two. The brokers take records of any date and of up to
    20 MiB (a topic's own limit takes precedence), and end with this process even if that is killed.

    Topics and records stay in ``data_dir``. After `stop` or `kill`, `start` brings the brokers
    back on the same ports with everything they had acknowledged. With three brokers a topic has
    three replicas unless it is created with fewer, and any one broker may be lost.

    Args:
        data_dir: The directory of a single broker, or of the brokers' directories
            (``broker-1`` and so on); made if missing.
        brokers: Number of brokers; each is a controller too.
        port: The first broker's port, followed by the others'; 0 chooses free ports.
        properties: Kafka settings that override the embedded broker's.
        security: Encryption and logins of the clients' listener; None for plain text.
        cache_dir: The directory that keeps the jars; None for the user's cache.
        clock: Measures the time that a start may take.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        brokers: int = 1,
        port: int = 0,
        properties: Mapping[str, str] = _NO_PROPERTIES,
        security: ListenerSecurity | None = None,
        cache_dir: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        if brokers < 1:
            raise LocalKafkaError(f"A cluster of {brokers} brokers can't run; ask for one or more.")
        clock = clock or SystemClock()
        addresses = _addresses(brokers, port, is_secured=security is not None)

        @cache
        def java() -> Java:
            jars = ensure_jars(cache_dir)
            return with_startup_cache(Java(classpath=jars), cache_dir or default_cache_dir(), clock)

        self.brokers = tuple(
            Broker(
                node=Node(_directory(Path(data_dir), address, brokers), clock),
                address=address,
                properties=broker_properties(
                    address, cluster=addresses, security=security, overrides=properties
                ),
                format_arguments=() if security is None else security.format_arguments(),
                java=java,
            )
            for address in addresses
        )
        """The brokers, each of which can be started, stopped and killed by itself."""

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` of each broker for Kafka clients, the same after each restart."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers)

    def start(self) -> None:
        """Start the brokers and return when all serve; do nothing if they are up.

        Raises:
            LocalKafkaError: A port is in use, Kafka can't be downloaded, or a broker can't start.
        """
        known = (broker.node.cluster_id for broker in self.brokers)
        start(self.brokers, cluster_id=next(filter(None, known), None) or new_cluster_id())

    def stop(self) -> None:
        """End the brokers in order; do nothing if they are down."""
        stop(self.brokers)

    def kill(self) -> None:
        """End the brokers with SIGKILL, as a crash would; do nothing if they are down."""
        for broker in self.brokers:
            broker.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _addresses(brokers: int, port: int, *, is_secured: bool) -> tuple[Address, ...]:
    """Return an address for each broker, with free ports where none are given."""
    given = range(port, port + brokers) if port else ()
    free = [number for number in free_ports(4 * brokers) if number not in given]
    clients = given or [free.pop() for _ in range(brokers)]
    return tuple(
        Address(
            node_id=node_id,
            port=client_port,
            controller_port=free.pop(),
            internal_port=free.pop() if is_secured else client_port,
        )
        for node_id, client_port in enumerate(clients, start=1)
    )


def _directory(data_dir: Path, address: Address, brokers: int) -> Path:
    return data_dir if brokers == 1 else data_dir / f"broker-{address.node_id}"
