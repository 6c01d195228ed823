"""A process of dedup or aggregator."""

import os
import re
import signal
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from kafka_local.ports import free_port
from kafka_local.process import GuardedProcess

from txfeatures.process.settings import KafkaSettings

STOP_S = 120.0
_RECOVERED = re.compile(r"tables_recovered .*\brecords=(\d+)")


class Worker:
    """One process of dedup or aggregator, which may be started again and again."""

    def __init__(self, service: str, name: str, kafka: KafkaSettings, folder: Path) -> None:
        self.service = service
        self._folder = folder
        self._log = folder / f"{service}-{name}.log"
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TXF_")},
            "TXF_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "TXF_LOG_FORMAT": "text",
            f"TXF_{service.upper()}_HTTP_HOST": "127.0.0.1",
            f"TXF_{service.upper()}_INSTANCE_ID": name,
        }
        self._program = ["-m", f"txfeatures_{service}"]
        self._port = 0
        self._process: GuardedProcess | None = None

    def start(self) -> None:
        self._port = free_port()
        self._process = GuardedProcess(
            [sys.executable, *self._program],
            cwd=self._folder,
            output=self._log,
            env={**self._env, f"TXF_{self.service.upper()}_HTTP_PORT": str(self._port)},
        )

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.exit_code() is None

    @property
    def is_ready(self) -> bool:
        """Whether it has partitions and their tables, and obeys signals."""
        return self._answers("readyz")

    @property
    def is_alive(self) -> bool:
        """Whether it has begun, and may be on the way to its partitions."""
        return self._answers("healthz")

    @property
    def recoveries(self) -> list[int]:
        """Records from which each of its recoveries, in all of its lives, made the tables."""
        return [int(found) for found in _RECOVERED.findall(self.whole_log())]

    def exit_code(self) -> int | None:
        assert self._process
        return self._process.exit_code()

    def wait(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        assert self._process
        return self._process.wait()

    def kill(self) -> None:
        """End it by SIGKILL; one that has ended by itself is a failure."""
        assert self.is_up, self.log()
        self.dispose()

    def dispose(self) -> None:
        """End it, if it is up."""
        if self._process:
            self._process.kill()

    def stop(self) -> int | None:
        assert self._process
        self._process.stop(STOP_S)
        return self._process.exit_code()

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def log(self) -> str:
        return self.whole_log()[-3000:]

    def whole_log(self) -> str:
        return self._log.read_text(errors="replace")

    def _answers(self, path: str) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
