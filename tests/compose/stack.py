"""A stack of docker-compose.yml for a test, with a name and ports of its own."""

import io
import json
import os
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import httpx
import pyarrow.parquet as pq
from confluent_kafka.admin import AdminClient
from kafka_local.ports import HOST, free_port

from tests.support.declared import FEATURES
from tests.support.shared_data import REPOSITORY
from txfeatures.archive.layout import PREFIX
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import AwsSettings, KafkaSettings
from txfeatures_local.demo.drained import Drain, read_status
from txfeatures_local.demo.export import read_rows
from txfeatures_local.demo.plan import REGION
from txfeatures_local.source.endpoint import Status

BASE = Path("docker-compose.yml")
REPLAY = Path("deploy/compose/replay.yml")
SCALE = Path("deploy/compose/scale.env")
_PORTS = ("API", "AWS", "KAFKA", "KAFKA_2", "KAFKA_3", "SOURCE")
BUILD_TIMEOUT_S = 900.0
START_TIMEOUT_S = 300.0
PATIENCE_S = 300.0
LOOK_S = 0.2


def no_engine(*, compose: bool = False) -> str | None:
    """Return the reason why containers can't run here, None if they can."""
    if shutil.which("docker") is None:
        return "no Docker engine: the command docker is not installed"
    for command in (["docker", "info"], *([["docker", "compose", "version"]] if compose else [])):
        if subprocess.run(command, capture_output=True, timeout=60).returncode:
            return f"no Docker engine: `{' '.join(command)}` fails"
    return None


def docker(*arguments: str, timeout_s: float = 120.0) -> str:
    """Run docker and return its output; fail with its errors."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout_s, cwd=REPOSITORY
    )
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr[-3000:]}"
    return done.stdout


class Compose:
    """A project of Docker Compose.

    Args:
        name: Name of the project.
        files: Its Compose files.
        env_file: File of variables for them.
        recording: Recording for the source; None for that of the files.
    """

    def __init__(
        self,
        name: str,
        *files: Path,
        env_file: Path | None = None,
        recording: Path | None = None,
    ) -> None:
        self.name = name
        self._options = [word for file in files for word in ("-f", str(file))]
        if env_file is not None:
            self._options += ["--env-file", str(env_file)]
        ports = {f"{part}_PORT": str(free_port()) for part in _PORTS}
        recordings = {"RECORDING": str(recording.absolute())} if recording else {}
        self._ports = {part.removesuffix("_PORT").lower(): port for part, port in ports.items()}
        self._env = {**os.environ, **ports, **recordings}
        self._clock = SystemClock()
        self._client = httpx.Client(timeout=5.0, trust_env=False)

    def run(self, *arguments: str, timeout_s: float = 120.0) -> str:
        """Run docker compose in this project; return its output."""
        done = subprocess.run(
            ["docker", "compose", "-p", self.name, *self._options, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=REPOSITORY,
            env=self._env,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr[-3000:]}\n{self.logs()}"
        return done.stdout

    def up(self) -> None:
        """Start all containers and wait until they are healthy."""
        self.run("up", "--wait", "--no-build", timeout_s=START_TIMEOUT_S)

    def down(self) -> None:
        """Remove all containers and volumes."""
        self._client.close()
        self.run("down", "--volumes", "--timeout", "20")

    def logs(self) -> str:
        """Return the last lines of every container."""
        names = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}")
        return "\n".join(
            subprocess.run(
                ["docker", "logs", "--tail", "8", name], capture_output=True, text=True
            ).stderr[-1500:]
            for name in names.split()
        )

    def container(self, service: str) -> dict[str, Any]:
        """Return the engine's description of the container of a service."""
        name = self.run("ps", "-aq", service).strip()
        [found] = json.loads(docker("inspect", name))
        return dict(found)

    def crash(self, service: str) -> None:
        """Kill a service with SIGKILL and start it again."""
        name = self.run("ps", "-q", service).strip()
        docker("kill", "--signal", "KILL", name)
        docker("start", name)

    def url(self, part: str, path: str = "") -> str:
        """Return the address of a published port on this host."""
        return f"http://{HOST}:{self._ports[part]}{path}"

    def get(self, path: str) -> httpx.Response:
        """Send a request to the api."""
        return self._client.get(self.url("api", path))

    def status(self) -> Status:
        """Return the progress of the source in its recording; fails while it is starting."""
        return read_status(self.url("source", "/_local/status"), self._client)

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Wait until ``is_true``; a container that is restarting may not answer."""
        deadline = self._clock.monotonic() + PATIENCE_S
        while not self._answers(is_true):
            assert self._clock.monotonic() < deadline, f"took too long\n{self.logs()}"
            self._clock.wait(threading.Event(), LOOK_S)

    def replicas(self) -> dict[str, set[int]]:
        """Return topic -> numbers of replicas of its partitions."""
        topics = AdminClient({"bootstrap.servers": self._brokers}).list_topics(timeout=PATIENCE_S)
        return {
            name: {len(partition.replicas) for partition in topic.partitions.values()}
            for name, topic in topics.topics.items()
        }

    def drain(self) -> None:
        """Wait until the replay is drained."""
        kafka = KafkaSettings(bootstrap_servers=self._brokers)
        with closing(Drain(kafka, status=self.status, pollers=1)) as drain:
            self.wait_until(drain.is_done)

    def totals(self) -> dict[str, tuple[int, int]]:
        """Return minute -> (transactions, sum of fees), from the online store."""
        status = self.status()
        rows = read_rows(
            self._aws("sagemaker-featurestore-runtime"),
            AwsSettings().feature_group,
            first_s=(status.first_arrival_at or 0) - 24 * 3600,
            last_s=max(status.newest_time or 0, status.last_arrival_at or 0),
            features=FEATURES,
        )
        return {
            str(row["tx_minute"]): (int(row["total_nb_trx_1min"]), int(row["total_fee_1min"]))
            for row in rows
        }

    def archived_hashes(self) -> Counter[str]:
        """Return the number of occurrences of each hash in the archive."""
        s3, bucket = self._aws("s3"), AwsSettings().bucket
        hashes: Counter[str] = Counter()
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
            for item in page.get("Contents", []):
                body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                hashes.update(pq.read_table(io.BytesIO(body))["hash"].to_pylist())
        return hashes

    @property
    def _brokers(self) -> str:
        return f"{HOST}:{self._ports['kafka']}"

    def _answers(self, is_true: Callable[[], bool]) -> bool:
        try:
            return is_true()
        except httpx.TransportError:
            return False

    def _aws(self, service: str) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url("aws"),
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
