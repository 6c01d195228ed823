"""The demos that run on this machine, found by the files that they hold open.

A demo locks its file while it runs. The kernel releases the lock however the demo ends, so a file
without a lock is that of a demo that was killed: it is removed by whoever finds it.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from txfeatures.domain.errors import FatalError

SETTINGS = ("TXF_", "AWS_")
"""Prefixes of the variables of which a command with ``--demo`` sees only those of the demo."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningDemo:
    """A demo that runs.

    Attributes:
        pid: Its process.
        api: Address of its api.
        metrics: Process -> address of its metrics.
        environment: The variables that lead commands, notebooks and boto3 to it.
    """

    pid: int
    api: str
    metrics: Mapping[str, str]
    environment: Mapping[str, str]

    @property
    def is_used(self) -> bool:
        """True if this process's environment leads to it."""
        return self.environment.items() <= os.environ.items()

    @property
    def port(self) -> int:
        """The port of its api."""
        return int(self.api.rpartition(":")[2])


@contextmanager
def announced(demo: RunningDemo) -> Iterator[None]:
    """Let other processes find ``demo`` while the context lasts."""
    folder = _folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{demo.pid}.json"
    draft = path.with_suffix(".new")
    with draft.open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # before it has its name, so that it is never unlocked
        json.dump(asdict(demo), file)
        file.flush()
        draft.rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def running() -> list[RunningDemo]:
    """Return the demos that run, in the order of their ports; remove the files of others."""
    found = []
    for path in sorted(_folder().glob("*.json")):
        with suppress(FileNotFoundError), path.open(encoding="utf-8") as file:
            if _is_locked(file):
                found.append(RunningDemo(**json.load(file)))
            else:
                path.unlink()
    return sorted(found, key=lambda demo: demo.port)


def choose(port: int | None) -> RunningDemo:
    """Return the only demo that runs, or that with ``port``.

    Raises:
        FatalError: There is none, or the choice is open.
    """
    demos = running()
    ports = ", ".join(str(demo.port) for demo in demos)
    if not demos:
        raise FatalError("no demo runs on this machine; start one with `make demo`")
    if port is None:
        if len(demos) > 1:
            raise FatalError(
                f"{len(demos)} demos run, on the ports {ports}; "
                f"choose one: --demo-port {demos[0].port}"
            )
        return demos[0]
    for demo in demos:
        if demo.port == port:
            return demo
    raise FatalError(f"no demo runs on port {port}; running: {ports}")


def use(demo: RunningDemo) -> None:
    """Point this process to ``demo``, whatever the user's environment holds."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        del os.environ[name]
    os.environ.update(demo.environment)


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _folder() -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "txfeatures" / "demos"
