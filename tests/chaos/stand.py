"""The processes of a chaos run: brokers behind proxies, a local AWS, the services, supervised.

Services and the source reach brokers by their proxies only. The checker's own clients use the
brokers' internal listeners, so no cut blinds it.
"""

import os
import random
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kafka_local import EmbeddedKafka
from kafka_local.ports import HOST, free_port, free_ports
from kafka_local.process import GuardedProcess

from tests.chaos.parts import Ending, Size, answers, behind_proxy, last_words
from tests.chaos.planted import plant
from tests.chaos.proxy import Proxies, Proxy
from tests.chaos.source import ChaosSource
from tests.support.local_account import Controls
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings
from txfeatures_local.demo.plan import REGION, Addresses, Plan, environment, without_proxy
from txfeatures_local.demo.stack import Part

PARTITIONS = 4
READY_S = 240.0
LOOK_S = 0.1
RESTART_S = 0.5
PLANTED = "planted"

Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Stand:
    """Everything that runs; a context manager that starts and stops it in order."""

    folder: Path
    size: Size
    seed: int
    say: Say
    plant: str = ""
    """A bug of the mutants' catalogue that the services have."""
    clock: SystemClock = field(default_factory=SystemClock)
    parts: dict[str, Part] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    """Names of parts that nobody starts again: they are down by plan."""
    endings: list[Ending] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    """Digests of records that another producer wrote into raw."""
    cut: set[str] = field(default_factory=set)
    """Digests of elements of which an answer showed the beginning only."""
    draw: random.Random = field(init=False)
    kafka: EmbeddedKafka = field(init=False)
    proxies: Proxies = field(init=False)
    source: ChaosSource = field(init=False)
    controls: Controls = field(init=False)
    aws_url: str = field(init=False)
    api_url: str = field(init=False)
    _open: ExitStack = field(default_factory=ExitStack)
    stopped: threading.Event = field(default_factory=threading.Event)
    _changing: threading.RLock = field(default_factory=threading.RLock)

    @property
    def inside(self) -> KafkaSettings:
        """The brokers by their internal listeners, which no fault of the network reaches."""
        ports = [broker.address.internal_port for broker in self.kafka.brokers]
        return KafkaSettings(bootstrap_servers=",".join(f"{HOST}:{port}" for port in ports))

    def __enter__(self) -> "Stand":
        self.draw = random.Random(self.seed)
        try:
            self._start()
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._open.close()

    def services(self, *prefixes: str) -> list[str]:
        """Return the names of the services that begin with one of ``prefixes``."""
        return [n for n in self.parts if n != "aws" and n.startswith(prefixes or ("",))]

    def pid(self, name: str) -> int:
        """Return the id of a service's process, which may just be started again."""
        found: list[int] = []

        def is_known() -> bool:
            process = self.parts[name].process
            if process is not None and process.exit_code() is None:
                found.append(process.pid)
            return bool(found)

        self.wait_until(is_known, f"{name} being up")
        return found[-1]

    def is_up(self, name: str) -> bool:
        process = self.parts[name].process
        return process is not None and process.exit_code() is None

    def is_ready(self, name: str) -> bool:
        return answers(self.parts[name].ready_url)

    def is_alive(self, name: str) -> bool:
        """Whether it has begun, and may be on the way to its partitions."""
        return answers(self.parts[name].ready_url.replace("/readyz", "/healthz"))

    def kill(self, name: str) -> int:
        """End a service by SIGKILL; return its id. The supervisor starts it again."""
        pid = self.pid(name)
        with self._changing:
            self.parts[name].kill()
        return pid

    def restart(self, name: str, **env: str) -> None:
        """Start a service again with more settings, as an operator does."""
        with self._changing:
            part = self.parts[name]
            part.kill()
            part.env = {**part.env, **env}
            part.start()

    def retire(self, name: str) -> None:
        """End a service in order, for good."""
        self.held.add(name)
        self.parts[name].stop()

    def wait_until(
        self, is_true: Callable[[], bool], what: str, *, limit_s: float = READY_S
    ) -> None:
        deadline = self.clock.monotonic() + limit_s
        while not is_true():
            if self.clock.monotonic() > deadline:
                raise TimeoutError(f"{what} took more than {limit_s:.0f} s")
            self.clock.wait(self.stopped, LOOK_S)

    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TXF_", "AWS_"))}
        plan = Plan(port=free_port())
        addresses = Addresses(
            kafka=",".join(f"{HOST}:{proxy.port}" for proxy in self.proxies.all),
            aws=self.aws_url,
            source=self.source.url,
            api="",
        )
        planted = {"PYTHONPATH": str(self.folder / PLANTED)} if self.plant else {}
        return {
            **kept,
            **planted,
            **without_proxy(os.environ),
            **environment(plan, addresses, self.folder),
            "TXF_BOOTSTRAP_REPLICATION": str(min(3, self.size.brokers)),
            "TXF_BOOTSTRAP_PARTITIONS": str(PARTITIONS),
            "TXF_POLLER_INTERVAL_S": str(1 / self.size.polls_per_s),
            "TXF_POLLER_MIN_INTERVAL_S": str(1 / self.size.polls_per_s),
            "TXF_POLLER_BACKOFF_FIRST_S": "0.1",
            "TXF_POLLER_BACKOFF_MAX_S": "1",
            "TXF_POLLER_FULL_ANSWER": str(self.size.visible),
            # One call at a time: a backlog goes by BatchWriteRecord, which can fail in part.
            "TXF_FS_WRITER_CONCURRENCY": "1",
        }

    def add(self, name: str, arguments: Sequence[str], *, port: int, path: str, **env: str) -> Part:
        part = Part(
            name=name,
            command=[sys.executable, *arguments],
            env={**self.environment(), **env},
            log=self.folder / f"{name}.log",
            ready_url=f"http://{HOST}:{port}{path}",
        )
        part.start()
        self.parts[name] = part
        self._open.callback(part.stop)
        return part

    def add_service(self, service: str, suffix: object) -> str:
        """Start a process of a service; return its name."""
        name, port, prefix = f"{service}-{suffix}", free_port(), f"TXF_{service.upper()}_"
        env = {f"{prefix}HTTP_PORT": str(port)}
        if service in ("dedup", "aggregator"):
            env[f"{prefix}INSTANCE_ID"] = name
        if service == "api":
            env[f"{prefix}PUBLIC_PORT"] = str(free_port())
            self.api_url = f"http://{HOST}:{env[f'{prefix}PUBLIC_PORT']}"
        if service == "poller":
            env |= {f"{prefix}NAME": name, f"{prefix}SPOOL_DIR": str(self.folder / name)}
        self.add(name, ["-m", f"txfeatures_{service}"], port=port, path="/readyz", **env)
        return name

    def _start(self) -> None:
        if self.plant:
            plant(self.plant, self.folder / PLANTED)
        self.say(f"starting {self.size.brokers} brokers behind proxies, and the local AWS")
        self.kafka = EmbeddedKafka(self.folder / "kafka", brokers=self.size.brokers)
        ports = free_ports(2 * self.size.brokers)
        outside, inside = ports[: self.size.brokers], ports[self.size.brokers :]
        self.proxies = Proxies(
            [
                Proxy(port=port, target=broker.address.port)
                for port, broker in zip(outside, self.kafka.brokers, strict=True)
            ]
        )
        self.kafka.brokers = tuple(
            behind_proxy(broker, proxy_port=proxy_port, internal_port=internal_port)
            for broker, proxy_port, internal_port in zip(
                self.kafka.brokers, outside, inside, strict=True
            )
        )
        self._open.enter_context(self.kafka)
        self._open.enter_context(self.proxies)
        self.source = self._open.enter_context(
            ChaosSource(
                self.folder,
                seed=self.seed,
                per_second=self.size.per_poll,
                visible=self.size.visible,
            )
        )
        self._open.callback(self.source.answers.set)
        aws_port = free_port()
        self.aws_url = f"http://{HOST}:{aws_port}"
        self.controls = Controls(self.aws_url)
        self.add(
            "aws",
            ["-m", "featurestore_local", "--port", str(aws_port), "--region", REGION],
            port=aws_port,
            path="/moto-api/",
        )
        self.wait_until(lambda: self.is_ready("aws"), "the local AWS")
        self._bootstrap()
        self.say("starting the services")
        for service in ("dedup", "aggregator", "fs_writer"):
            for number in range(self.size.workers):
                self.add_service(service, number)
        self.add_service("api", 0)
        self.wait_until(
            lambda: all(map(self.is_ready, self.services("dedup", "aggregator", "fs_writer"))),
            "the services",
        )
        self.add_service("poller", 0)
        self.wait_until(lambda: self.is_ready("poller-0"), "the poller")
        supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        supervisor.start()
        self._open.callback(supervisor.join)
        self._open.callback(self.stopped.set)

    def _bootstrap(self) -> None:
        log = self.folder / "bootstrap.log"
        process = GuardedProcess(
            [sys.executable, "-m", "txfeatures", "bootstrap"],
            cwd=self.folder,
            output=log,
            env=self.environment(),
        )
        if process.wait():
            raise RuntimeError(f"bootstrap failed: {log.read_text()[-2000:]}")

    def _supervise(self) -> None:
        """Start again what ends, as an orchestrator does: the services are crash-only."""
        while not self.clock.wait(self.stopped, RESTART_S):
            for name, part in list(self.parts.items()):
                with self._changing:
                    process = part.process
                    if process is not None and (code := process.exit_code()) is not None:
                        part.process = None
                        ending = Ending(
                            at_s=self.clock.monotonic(),
                            name=name,
                            code=code,
                            words=last_words(part),
                        )
                        self.endings.append(ending)
                    if part.process is None and name not in self.held:
                        part.start()
