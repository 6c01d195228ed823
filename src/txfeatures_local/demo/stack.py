"""The processes: Kafka, the local AWS, the source, bootstrap and the five services."""

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from kafka_local import EmbeddedKafka
from kafka_local.errors import LocalKafkaError
from kafka_local.ports import free_port, is_free
from kafka_local.process import GuardedProcess

from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import Clock
from txfeatures_local.demo.plan import (
    HOST,
    REGION,
    Addresses,
    Plan,
    Transport,
    environment,
    without_proxy,
)
from txfeatures_local.source.pushing import PATH

READY_TIMEOUT_S = 90.0
STOP_GRACE_S = 20.0
LOOK_S = 0.05

Report = Callable[[str], None]

_BEHIND = ("dedup", "aggregator", "fs_writer")
"""The services that must be ready before the first poll."""
_FEED = "/unconfirmed-transactions?format=json"
_STATUS = "/_local/status"
_NONE: Mapping[str, str] = {}


class StoppedError(Exception):
    """The user stopped the demo while the stack was still starting."""


@dataclass(slots=True, kw_only=True)
class Part:
    """One process of the stack.

    Attributes:
        name: The part's name on the screen and in errors.
        command: Program and arguments.
        log: The file of its output.
        ready_url: Answers 200 once it can do its work.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    ready_url: str
    process: GuardedProcess | None = None

    def start(self) -> None:
        """Start the process."""
        self.process = GuardedProcess(
            self.command, cwd=self.log.parent, output=self.log, env=self.env
        )

    def kill(self) -> None:
        """End the process with SIGKILL, as a crash would."""
        if self.process:
            self.process.kill()
            self.process = None

    def stop(self) -> None:
        """End the process in order."""
        if self.process:
            self.process.stop(STOP_GRACE_S)
            self.process = None

    def check(self) -> None:
        """Raise FatalError if the process has ended by itself."""
        if self.process is not None and (code := self.process.exit_code()) is not None:
            raise FatalError(f"{self.name} ended with code {code}: {self.last_words()}")

    def is_ready(self) -> bool:
        """Ask it whether it can do its work; one that doesn't listen yet can't."""
        try:
            return httpx.get(self.ready_url, timeout=2.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def last_words(self) -> str:
        """Return the last line of its log, and where the rest is."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return f"{lines[-1] if lines else 'it logged nothing'} (log: {self.log})"


@dataclass(slots=True, kw_only=True)
class Stack:
    """Everything, started in order on entering and stopped in reverse order on leaving.

    Args:
        plan: The options.
        directory: Holds data and logs.
        report: Prints a line about the progress.
        stop: Set by a signal; ends the waiting.
    """

    plan: Plan
    directory: Path
    report: Report
    clock: Clock
    stop: threading.Event
    addresses: Addresses = field(init=False)
    parts: dict[str, Part] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Start everything; return when every service is ready."""
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop everything, the pollers first, Kafka last."""
        self._open.close()

    @property
    def status_url(self) -> str:
        """The address of the source's status."""
        return f"{(self.addresses.source or '').removesuffix(_FEED)}{_STATUS}"

    def check(self) -> None:
        """Raise FatalError if any process has ended by itself."""
        for part in self.parts.values():
            part.check()

    def broker(self) -> AbstractContextManager[EmbeddedKafka]:
        """Return Kafka, which the stack enters."""
        return EmbeddedKafka(self.directory / "kafka")

    def environment_of(self, name: str) -> dict[str, str]:  # noqa: ARG002 - for stacks that differ
        """Return the environment of one process; here it is the same for all."""
        return self.environment()

    def environment(self) -> dict[str, str]:
        """Return the environment of every process of the stack."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TXF_", "AWS_"))}
        kept |= without_proxy(os.environ)
        return kept | environment(self.plan, self.addresses, self.directory)

    def _start(self) -> None:
        try:
            self._start_all()
        except LocalKafkaError as error:
            raise FatalError(str(error)) from error

    def _start_all(self) -> None:
        plan = self.plan
        if not is_free(plan.port):
            raise FatalError(f"port {plan.port} is in use; free it or set another PORT")
        operations = {name: free_port() for name in (*_poller_names(plan), *_BEHIND, "api")}
        self.report("starting Apache Kafka (the first time its jars are downloaded)")
        kafka = self._open.enter_context(self.broker())
        aws_port, source_port, push_port = free_port(), free_port(), free_port()
        pushes = plan.is_local and plan.transport is Transport.WEBSOCKET
        self.addresses = Addresses(
            kafka=kafka.bootstrap_servers,
            aws=f"http://{HOST}:{aws_port}",
            source=f"http://{HOST}:{source_port}{_FEED}" if plan.is_local else None,
            websocket=f"ws://{HOST}:{push_port}{PATH}" if pushes else None,
            api=f"http://{HOST}:{plan.port}",
            operations=operations,
        )
        self.report("starting the local AWS and the source")
        self._add(
            "local AWS",
            ["-m", "featurestore_local", "--port", str(aws_port), "--region", REGION],
            ready_url=f"{self.addresses.aws}/moto-api/",
        )
        if plan.is_local:
            self._add(
                "source",
                [
                    *("-m", "txfeatures_local.source", "--port", str(source_port)),
                    *(("--push-port", str(push_port)) if pushes else ()),
                    *plan.source_arguments,
                ],
                ready_url=f"http://{HOST}:{source_port}{_STATUS}",
            )
        self._wait_until_ready("local AWS", *(["source"] if plan.is_local else []))
        self.report("bootstrap: topics, bucket, feature group")
        self._bootstrap()
        self.report("starting the five services")
        for name in _BEHIND:
            self._add_service(name)
        self._add_service("api")
        self._wait_until_ready(*_BEHIND)
        for name in _poller_names(plan):
            self._add_service(name, module="poller", TXF_POLLER_NAME=name)
        self._wait_until_ready(*_poller_names(plan), "api")

    def _add_service(self, name: str, *, module: str | None = None, **env: str) -> None:
        port = self.addresses.operations[name]
        self._add(
            name,
            ["-m", f"txfeatures_{module or name}"],
            ready_url=f"http://{HOST}:{port}/readyz",
            env={f"TXF_{module or name}_HTTP_PORT".upper(): str(port), **env},
        )

    def _add(
        self, name: str, arguments: list[str], *, ready_url: str, env: Mapping[str, str] = _NONE
    ) -> None:
        part = Part(
            name=name,
            command=[sys.executable, *arguments],
            env={**self.environment_of(name), **env},
            log=self.directory / f"{name.replace(' ', '-')}.log",
            ready_url=ready_url,
        )
        part.start()
        self.parts[name] = part
        self._open.callback(part.stop)

    def _bootstrap(self) -> None:
        log = self.directory / "bootstrap.log"
        process = GuardedProcess(
            [sys.executable, "-m", "txfeatures", "bootstrap"],
            cwd=self.directory,
            output=log,
            env=self.environment_of("bootstrap"),
        )
        if process.wait():
            raise FatalError(f"bootstrap failed: {log.read_text().strip().splitlines()[-1]}")

    def _wait_until_ready(self, *names: str) -> None:
        deadline = self.clock.monotonic() + READY_TIMEOUT_S
        waiting = [self.parts[name] for name in names]
        while waiting:
            self.check()
            waiting = [part for part in waiting if not part.is_ready()]
            if waiting and self.clock.monotonic() > deadline:
                part = waiting[0]
                raise FatalError(
                    f"{part.name} was not ready in {READY_TIMEOUT_S:.0f} s: {part.last_words()}"
                )
            if waiting and self.clock.wait(self.stop, LOOK_S):
                raise StoppedError


def _poller_names(plan: Plan) -> list[str]:
    if plan.pollers == 1:
        return ["poller"]
    return [f"poller-{number}" for number in range(1, plan.pollers + 1)]
