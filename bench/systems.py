"""The systems of the contest, and how each is started."""

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
    """What one run of a system is given.

    Attributes:
        bootstrap_servers: The broker.
        source: The topic to read from its beginning.
        directory: Empty; for whatever the system keeps on disk.
    """

    bootstrap_servers: str
    source: str
    directory: Path


class System(Protocol):
    """Something that does the work of a stage."""

    @property
    def name(self) -> str:
        """Its name in the results."""
        ...

    @property
    def guarantee(self) -> Guarantee:
        """What it promises in this set-up."""
        ...

    @property
    def is_slow(self) -> bool:
        """Whether it is given a tenth of the records, lest it take minutes."""
        ...

    def prepare(self, cache: Path) -> Sequence[Sequence[str]]:
        """Make what it needs below ``cache``; return the command of each of its processes.

        Raises:
            SkippedError: It can't run on this machine.
        """
        ...

    def environment(self, run: Run) -> Mapping[str, str]:
        """Return the variables that tell the processes what to do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """Services of this repository, started as in production.

    Attributes:
        services: Their names, one process each.
    """

    services: tuple[str, ...]
    name: str = PRODUCT
    guarantee: Guarantee = "exactly_once"
    is_slow: bool = False

    def prepare(self, cache: Path) -> Sequence[Sequence[str]]:  # noqa: ARG002 - it is installed
        """Return the commands of the services."""
        return [[sys.executable, "-m", f"txfeatures_{service}"] for service in self.services]

    def environment(self, run: Run) -> Mapping[str, str]:
        """Return the services' settings."""
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
        script: Its file name.
        environment_name: Whose packages it runs with; empty: this project's own.
    """

    name: str
    guarantee: Guarantee
    script: str
    environment_name: str = ""
    is_slow: bool = False

    def prepare(self, cache: Path) -> Sequence[Sequence[str]]:
        """Make the peer's environment; return the command in it."""
        if self.script.endswith(".java"):
            return [java_of(self.environment_name, self.script, cache)]
        python = (
            python_of(self.environment_name, cache) if self.environment_name else sys.executable
        )
        return [[str(python), str(PEERS / self.script)]]

    def environment(self, run: Run) -> Mapping[str, str]:
        """Return what every peer is told."""
        return {
            "BENCH_BOOTSTRAP": run.bootstrap_servers,
            "BENCH_GUARANTEE": self.guarantee,
            "BENCH_PARTITIONS": str(PARTITIONS),
            "BENCH_SOURCE": run.source,
            "BENCH_TARGET": DEDUPED,
            "BENCH_STATE_DIR": str(run.directory),
        }


def peers() -> tuple[System, ...]:
    """Return every other system that can remove doubles, with both guarantees each."""
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
