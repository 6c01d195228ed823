"""The systems of the benchmark, with the commands that start them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from kafka_local.ports import HOST, free_port

from bench.cluster import PARTITIONS
from bench.environments import PEERS, java_of, python_of
from txfeatures.domain.topics import DEDUPED

Guarantee = Literal["at_least_once", "exactly_once"]
GUARANTEES: tuple[Guarantee, ...] = ("at_least_once", "exactly_once")


PRODUCT = "txfeatures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The input of one run of a system.

    Attributes:
        bootstrap_servers: The broker.
        source: The topic to read from its beginning.
        directory: An empty directory for the system's own files.
    """

    bootstrap_servers: str
    source: str
    directory: Path


class System(Protocol):
    """A system that does the work of a stage."""

    @property
    def name(self) -> str:
        """Name in the results."""
        ...

    @property
    def guarantee(self) -> Guarantee:
        """Guarantee of the system in this set-up."""
        ...

    @property
    def is_slow(self) -> bool:
        """True if it gets only a tenth of the records, because more take minutes."""
        ...

    def prepare(self, cache: Path) -> Sequence[Sequence[str]]:
        """Install the system below ``cache``; return the command of each of its processes.

        Raises:
            SkippedError: It can't run on this machine.
        """
        ...

    def environment(self, run: Run) -> Mapping[str, str]:
        """Return the environment variables that configure the processes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Services of this repository, started as in production.

    Attributes:
        services: Names of the services, one process each.
    """

    services: tuple[str, ...]
    name: str = PRODUCT
    guarantee: Guarantee = "exactly_once"
    is_slow: bool = False

    def prepare(self, cache: Path) -> Sequence[Sequence[str]]:  # noqa: ARG002 - it is installed
        """Return the commands of the services."""
        return [[sys.executable, "-m", f"txfeatures_{service}"] for service in self.services]

    def environment(self, run: Run) -> Mapping[str, str]:
        """Return the settings of the services."""
        return {
            "TXF_KAFKA_BOOTSTRAP_SERVERS": run.bootstrap_servers,
            "TXF_LOG_LEVEL": "warning",
            **{f"TXF_{service.upper()}_HTTP_HOST": HOST for service in self.services},
            **{f"TXF_{service.upper()}_HTTP_PORT": str(free_port()) for service in self.services},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another system: a script in ``peers/`` that reads ``BENCH_*``.

    Attributes:
        script: Name of the file.
        environment_name: Name of its environment; empty for that of this project.
    """

    name: str
    guarantee: Guarantee
    script: str
    environment_name: str = ""
    is_slow: bool = False

    def prepare(self, cache: Path) -> Sequence[Sequence[str]]:
        """Create the environment of the peer; return the command in it."""
        if self.script.endswith(".java"):
            return [java_of(self.environment_name, self.script, cache)]
        python = (
            python_of(self.environment_name, cache) if self.environment_name else sys.executable
        )
        return [[str(python), str(PEERS / self.script)]]

    def environment(self, run: Run) -> Mapping[str, str]:
        """Return the environment variables of every peer."""
        return {
            "BENCH_BOOTSTRAP": run.bootstrap_servers,
            "BENCH_GUARANTEE": self.guarantee,
            "BENCH_PARTITIONS": str(PARTITIONS),
            "BENCH_SOURCE": run.source,
            "BENCH_TARGET": DEDUPED,
            "BENCH_STATE_DIR": str(run.directory),
        }


def peers() -> tuple[System, ...]:
    """Return all peers that can remove doubles, each with both guarantees."""
    return tuple(
        Peer(name=name, guarantee=guarantee, script=script, environment_name=home, is_slow=is_slow)
        for name, script, home, is_slow in (
            ("limit", "limit.py", "", False),
            ("kafka_streams", "Dedup.java", "kafka_streams", False),
            ("quix_streams", "quix_streams.py", "quix_streams", False),
            ("faust", "stock_faust.py", "stock_faust", True),
        )
        for guarantee in GUARANTEES
    )
