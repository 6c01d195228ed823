"""Apache Kafka itself, one node, started and ended by this process."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from kafka_local.clock import Clock, SystemClock
from kafka_local.errors import LocalKafkaError
from kafka_local.jars import default_cache_dir, ensure_jars
from kafka_local.java import Java
from kafka_local.node import Node
from kafka_local.ports import HOST, free_port, is_free
from kafka_local.security import ListenerSecurity
from kafka_local.startup import with_startup_cache

_STOP_GRACE_S = 15.0
_NO_PROPERTIES: Mapping[str, str] = MappingProxyType({})


class EmbeddedKafka:
    """A Kafka broker for demos and tests, a context manager.

    The first start on a machine downloads Kafka (43 MB) and prepares faster starts, about 20 s
    in all; a later one takes one to two. The broker takes records of any date and of up to
    20 MiB (a topic's own limit wins), and ends with this process even if that is killed.

    Topics and records stay in ``data_dir``. After `stop` or `kill`, `start` brings the broker
    back on the same port with everything it had acknowledged.

    Args:
        data_dir: The broker's directory, made if missing.
        port: The port to serve on; 0 chooses a free one at the first start.
        properties: Kafka settings that win over the embedded broker's.
        security: What clients have to show; None: nothing, and nothing is encrypted.
        cache_dir: Where the jars are kept; None is the user's cache.
        clock: What the start's patience is measured by.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        properties: Mapping[str, str] = _NO_PROPERTIES,
        security: ListenerSecurity | None = None,
        cache_dir: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._port = port
        self._properties = properties
        self._security = security
        self._cache_dir = cache_dir or default_cache_dir()
        self._clock = clock or SystemClock()
        self._node: Node | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` for Kafka clients, the same after each restart.

        Raises:
            LocalKafkaError: The broker was never started, and no port was named.
        """
        if not self._port:
            raise LocalKafkaError("The embedded Kafka has no address yet; start it first.")
        return f"{HOST}:{self._port}"

    @property
    def log_path(self) -> Path:
        """The file with the broker's log, appended to by each start."""
        return self._data_dir / "broker.log"

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None while it is down."""
        return None if self._node is None else self._node.pid

    def start(self) -> None:
        """Start the broker and return when it serves; do nothing if it is up.

        Raises:
            LocalKafkaError: The port is in use, Kafka can't be downloaded, or the broker can't
                start.
        """
        if self.pid is not None:
            return
        self.kill()  # what is left of a broker that died by itself
        port = self._port or free_port()
        if not is_free(port):
            raise LocalKafkaError(
                f"Port {port} of {HOST} is in use; stop what listens there or choose another port."
            )
        java = Java(classpath=ensure_jars(self._cache_dir))
        java = with_startup_cache(java, self._cache_dir, self._clock)
        node = Node(java, self._data_dir, self._properties, self._clock, self._security)
        node.start(port=port, controller_port=free_port(besides=port))
        self._port = port
        self._node = node

    def stop(self) -> None:
        """End the broker in order; do nothing if it is down."""
        if self._node is not None:
            self._node.stop(_STOP_GRACE_S)
            self._node = None

    def kill(self) -> None:
        """End the broker with SIGKILL, as a crash would; do nothing if it is down."""
        if self._node is not None:
            self._node.kill()
            self._node = None

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
