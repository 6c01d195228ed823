"""One Kafka process in a directory: settings, format, start, wait, end.

The directory holds everything of the node: ``server.properties``, ``broker.log`` and the
records below ``logs``. The node runs inside it and stores its path nowhere, so it may be moved.
"""

import base64
import fcntl
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kafka_local.clock import Clock
from kafka_local.errors import LocalKafkaError
from kafka_local.failures import cause_of
from kafka_local.java import Java
from kafka_local.ports import HOST
from kafka_local.process import GuardedProcess
from kafka_local.properties import format_properties

_START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_LOG_TAIL_BYTES = 64 * 1024


class Node:
    """A broker and its controller in one process.

    Args:
        data_dir: The node's directory; records from an earlier run are kept and served.
        clock: Measures the time that a start may take.
    """

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self._data_dir = data_dir.resolve()
        self._clock = clock
        self._process: GuardedProcess | None = None
        self._claim: IO[str] | None = None
        self._log_start = 0

    @property
    def log_path(self) -> Path:
        """The file with the node's log, appended to by each start."""
        return self._data_dir / "broker.log"

    @property
    def cluster_id(self) -> str | None:
        """The id of the cluster that the directory belongs to, or None before the first start."""
        try:
            lines = self._metadata.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return None
        return dict(line.partition("=")[::2] for line in lines).get("cluster.id")

    @property
    def pid(self) -> int | None:
        """The process id, or None while the node is down."""
        if self._process is None or self._process.exit_code() is not None:
            return None
        return self._process.pid

    def launch(
        self,
        java: Java,
        properties: Mapping[str, str],
        *,
        cluster_id: str,
        format_arguments: Sequence[str] = (),
    ) -> None:
        """Start the process, without waiting until it serves.

        Args:
            java: Runs Kafka's classes.
            properties: The node's settings, all of them.
            cluster_id: Written into a new directory.
            format_arguments: More arguments of the storage tool, for a new directory.

        Raises:
            LocalKafkaError: The directory can't be used or is in use.
        """
        self.kill()  # releases the directory of a process that ended by itself
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._claim_directory()
            text = format_properties(properties)
            (self._data_dir / "server.properties").write_text(text, encoding="ascii")
            self.log_path.touch()
            self._log_start = self.log_path.stat().st_size
            if not self._metadata.exists():
                self._format(java, [f"--cluster-id={cluster_id}", *format_arguments])
            self._process = self._run(java, "kafka.Kafka", ["server.properties"], log_level="INFO")
        except OSError as error:
            raise LocalKafkaError(
                f"Kafka can't run in {self._data_dir} ({error.strerror});"
                " make that directory writable, or choose another."
            ) from error

    def wait_until_serving(self, port: int, node_id: int = 1) -> None:
        """Wait until the launched node serves clients and its cluster includes it.

        Raises:
            LocalKafkaError: The process ended, or does not serve in time.
        """
        # Refused connections are expected here, so they are not logged and pauses don't grow.
        admin = AdminClient(
            {
                "bootstrap.servers": f"{HOST}:{port}",
                "reconnect.backoff.max.ms": 100,
                "log_level": 0,
            }
        )
        never = threading.Event()
        give_up_at = self._clock.monotonic() + _START_TIMEOUT_S
        while self._clock.monotonic() < give_up_at:
            if self.pid is None:
                raise self._failure("Kafka ended while it started")
            if _serves(admin, node_id):
                return
            self._clock.wait(never, _POLL_S)
        raise self._failure(f"Kafka did not serve within {_START_TIMEOUT_S:.0f} s")

    def terminate(self) -> None:
        """Request the end of the process, without waiting for it."""
        if self._process is not None:
            self._process.terminate()

    def stop(self, grace_s: float) -> None:
        """End the process in order, or by force when ``grace_s`` have passed."""
        if self._process is not None:
            self._process.stop(grace_s)
        self.kill()

    def kill(self) -> None:
        """End the process at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    @property
    def _metadata(self) -> Path:
        return self._data_dir / "logs" / "meta.properties"

    def _claim_directory(self) -> None:
        # Kafka locks its directory only after it has overwritten metadata of a broker that
        # already runs there, and that broker then hangs.
        claim = (self._data_dir / "in-use").open("w")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            claim.close()
            raise LocalKafkaError(
                f"A broker runs in {self._data_dir} already; stop it or choose another directory."
            ) from error
        self._claim = claim

    def _run(
        self, java: Java, main_class: str, arguments: list[str], *, log_level: str
    ) -> GuardedProcess:
        return java.start(
            main_class, arguments, cwd=self._data_dir, log_level=log_level, output=self.log_path
        )

    def _format(self, java: Java, arguments: list[str]) -> None:
        arguments = ["format", "--config=server.properties", *arguments]
        process = self._run(java, "kafka.tools.StorageTool", arguments, log_level="WARN")
        try:
            code = process.wait()
        finally:
            process.kill()
        if code != 0:
            raise self._failure("Kafka can't prepare its storage")

    def _failure(self, event: str) -> LocalKafkaError:
        """Return an error that quotes the log of this start."""
        with self.log_path.open("rb") as log:
            log.seek(max(self._log_start, self.log_path.stat().st_size - _LOG_TAIL_BYTES))
            cause = cause_of(log.read().decode("utf-8", "replace"))
        return LocalKafkaError(
            f"{event} ({cause}); see {self.log_path}, remove the cause and try again."
        )


def new_cluster_id() -> str:
    """Return an id for a new cluster, in Kafka's form."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def _serves(admin: AdminClient, node_id: int) -> bool:
    """Return whether the cluster includes the broker, so that topics can be created."""
    try:
        return node_id in admin.list_topics(timeout=0.5).brokers
    except KafkaException:
        return False
