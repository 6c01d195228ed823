import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from txfeatures.process.clock import SystemClock

pytestmark = pytest.mark.integration

PATIENCE_S = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def process(port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The api as a process that reaches neither Kafka nor AWS."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TXF_")} | {
        "TXF_API_HTTP_HOST": "127.0.0.1",
        "TXF_API_HTTP_PORT": str(port),
        "TXF_API_DRAIN_S": "0",
        "TXF_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
    }
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "txfeatures_api"], env=environ, stderr=stderr
        ) as child,
    ):
        try:
            yield child
        finally:
            child.kill()


def wait_until_it_answers(url: str) -> None:
    clock, never = SystemClock(), threading.Event()
    deadline_s = clock.monotonic() + PATIENCE_S
    while True:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            assert clock.monotonic() < deadline_s, f"{url} does not answer"
            clock.wait(never, 0.05)
        else:
            return


def test_without_kafka_it_lives_is_not_ready_and_stops_when_told_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with process(port, log) as child:
        wait_until_it_answers(f"{url}/healthz")
        assert httpx.get(f"{url}/readyz", trust_env=False).status_code == 503
        assert httpx.get(f"{url}/features/latest", trust_env=False).status_code == 503
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_S) == 0
    assert "Traceback" not in log.read_text()


def test_a_port_in_use_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(port, log) as child:
            assert child.wait(PATIENCE_S) == 1
    [sentence] = log.read_text().splitlines()
    assert sentence.startswith(f"api: port {port} on 127.0.0.1 can't be used")
