"""One broker's life in a directory: settings, format, start, wait, end.

The directory holds all there is of the node: ``server.properties``, ``broker.log`` and the
records below ``logs``. The node runs inside it and names it nowhere, so it may be moved.
"""

import base64
import fcntl
import re
import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kafka_local.clock import Clock
from kafka_local.errors import LocalKafkaError
from kafka_local.java import Java
from kafka_local.ports import HOST, free_port
from kafka_local.process import GuardedProcess
from kafka_local.properties import broker_properties, format_properties, secured
from kafka_local.security import ListenerSecurity

_START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_LOG_TAIL_BYTES = 64 * 1024

# A line of a stack trace that names what was thrown, in the forms that Java prints.
_THROWN = re.compile(
    r'(Exception in thread "[^"]*" |Caused by: )?(?P<what>[\w.$]+(Exception|Error): .+)'
)


class Node:
    """A broker and its controller in one process.

    Args:
        java: Where Kafka's classes come from.
        data_dir: The node's directory; what a former node left there is taken over.
        properties: Kafka settings that win over the embedded broker's.
        clock: What the start's patience is measured by.
        security: What clients have to show; None: nothing.
    """

    def __init__(
        self,
        java: Java,
        data_dir: Path,
        properties: Mapping[str, str],
        clock: Clock,
        security: ListenerSecurity | None = None,
    ) -> None:
        self._java = java
        self._data_dir = data_dir.resolve()
        self._log_path = self._data_dir / "broker.log"
        self._properties = properties
        self._clock = clock
        self._security = security
        self._process: GuardedProcess | None = None
        self._claim: IO[str] | None = None

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None while it is down."""
        if self._process is None or self._process.exit_code() is not None:
            return None
        return self._process.pid

    def start(self, *, port: int, controller_port: int) -> None:
        """Start the broker on two free ports and return when it serves clients.

        Raises:
            LocalKafkaError: The directory can't be used or is in use, the broker ended, or it does
                not serve in time.
        """
        settings = broker_properties(
            port=port, controller_port=controller_port, overrides=self._properties
        )
        own_port = port
        if self._security is not None:
            own_port = _another_port(port, controller_port)
            settings = secured(settings, self._security, port=port, own_port=own_port)
        with ExitStack() as undo:
            undo.callback(self.kill)
            try:
                self._data_dir.mkdir(parents=True, exist_ok=True)
                self._claim_directory()
                text = format_properties(settings)
                (self._data_dir / "server.properties").write_text(text, encoding="ascii")
                self._log_path.touch()
                log_start = self._log_path.stat().st_size
                if not (self._data_dir / "logs" / "meta.properties").exists():
                    self._format(log_start)
                self._process = self._run("kafka.Kafka", ["server.properties"], log_level="INFO")
            except OSError as error:
                raise LocalKafkaError(
                    f"Kafka can't run in {self._data_dir} ({error.strerror});"
                    " make that directory writable, or choose another."
                ) from error
            self._wait_until_serving(self._process, own_port, log_start)
            undo.pop_all()

    def stop(self, grace_s: float) -> None:
        """End the broker in order, or by force when ``grace_s`` have passed."""
        if self._process is not None:
            self._process.stop(grace_s)
        self.kill()

    def kill(self) -> None:
        """End the broker at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._claim is not None:
            self._claim.close()
            self._claim = None

    def _claim_directory(self) -> None:
        # Kafka locks its directory only after it has written to the metadata of the broker
        # that already runs there, which then hangs.
        self._claim = (self._data_dir / "in-use").open("w")
        try:
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalKafkaError(
                f"A broker runs in {self._data_dir} already; stop it or choose another directory."
            ) from error

    def _run(self, main_class: str, arguments: list[str], *, log_level: str) -> GuardedProcess:
        return self._java.start(
            main_class, arguments, cwd=self._data_dir, log_level=log_level, output=self._log_path
        )

    def _format(self, log_start: int) -> None:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", f"--cluster-id={cluster_id}", "--config=server.properties"]
        if self._security is not None:
            arguments += self._security.format_arguments()
        process = self._run("kafka.tools.StorageTool", arguments, log_level="WARN")
        try:
            code = process.wait()
        finally:
            process.kill()
        if code != 0:
            raise self._failure("Kafka can't prepare its storage", log_start)

    def _wait_until_serving(self, process: GuardedProcess, port: int, log_start: int) -> None:
        # Refused connections are what is waited out here: no log of them, no growing pauses.
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
            if process.exit_code() is not None:
                raise self._failure("Kafka ended while it started", log_start)
            if _serves(admin):
                return
            self._clock.wait(never, _POLL_S)
        raise self._failure(f"Kafka did not serve within {_START_TIMEOUT_S:.0f} s", log_start)

    def _failure(self, what: str, log_start: int) -> LocalKafkaError:
        """Return an error that quotes what was logged beyond ``log_start``, a byte offset."""
        with self._log_path.open("rb") as log:
            log.seek(max(log_start, self._log_path.stat().st_size - _LOG_TAIL_BYTES))
            cause = cause_of(log.read().decode("utf-8", "replace"))
        return LocalKafkaError(
            f"{what} ({cause}); see {self._log_path}, mend the cause and try again."
        )


def _another_port(port: int, controller_port: int) -> int:
    while (another := free_port(besides=port)) == controller_port:
        pass
    return another


def _serves(admin: AdminClient) -> bool:
    """Return whether the broker answers and counts itself in, so that topics can be made."""
    try:
        return bool(admin.list_topics(timeout=0.5).brokers)
    except KafkaException:
        return False


def cause_of(log: str) -> str:
    """Return the sentence of a Java program's log that says best why it ended.

    That is the last exception or error, which in a chain is the root of it; else the last
    line that is no stack frame; else a remark that nothing was said.
    """
    lines = [line for line in map(str.strip, log.splitlines()) if line]
    lines = [line for line in lines if not line.startswith("at ")]
    thrown = [found["what"] for line in lines if (found := _THROWN.match(line))]
    said = thrown or lines or ["it said nothing"]
    return said[-1].split(". ")[0].rstrip(".")
