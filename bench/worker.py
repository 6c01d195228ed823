"""A worker of a service: its process, from the start to the end."""

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]
from kafka_local.ports import HOST, free_port
from kafka_local.process import GuardedProcess

from bench.systems import Product, Run
from txfeatures.domain.errors import FatalError
from txfeatures.domain.topics import RAW
from txfeatures.process.clock import Clock

READY_WITHIN_S = 300.0
STOP_GRACE_S = 30.0
_POLL_S = 0.02


class Worker:
    """A context manager that starts one worker of a service and ends it.

    Args:
        bootstrap_servers: The broker.
        directory: Directory of its log.
        clock: Clock of the measurement.
        service: Name of the service.
        name: Name of the log file.
        settings: Environment variables besides those of the broker and the port.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        directory: Path,
        clock: Clock,
        *,
        service: str = "dedup",
        name: str = "worker",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._clock = clock
        self._port = free_port()
        self._log = directory / f"{name}.log"
        product = Product(services=(service,))
        (command,) = product.prepare(directory)
        run = Run(bootstrap_servers=bootstrap_servers, source=RAW, directory=directory)
        env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("TXF_")},
            **product.environment(run),
            f"TXF_{service.upper()}_HTTP_PORT": str(self._port),
            **(settings or {}),
        }
        self._service = service
        self._started_s = clock.monotonic()
        self._process = GuardedProcess(command, cwd=directory, output=self._log, env=env)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    @property
    def cpu_s(self) -> float:
        """CPU time of the process, user and system."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def wait_ready(self) -> float:
        """Wait until the worker is ready, and return the seconds since its start.

        Raises:
            FatalError: It ended, or was not ready in time.
        """
        url = f"http://{HOST}:{self._port}/readyz"
        with httpx.Client() as client:
            while self._clock.monotonic() - self._started_s < READY_WITHIN_S:
                if self._process.exit_code() is not None:
                    break
                try:
                    if client.get(url).status_code == httpx.codes.OK:
                        return self._clock.monotonic() - self._started_s
                except httpx.TransportError:
                    pass
                self._clock.wait(threading.Event(), _POLL_S)
        log = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise FatalError(f"{self._service} did not become ready: {log[-1] if log else 'empty log'}")

    def stop(self) -> None:
        """Stop the process as Kubernetes does."""
        self._process.stop(STOP_GRACE_S)

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
