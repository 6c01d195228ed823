import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from kafka_local.ports import free_port

from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PATIENCE_S = 60


@contextmanager
def process(port: int, operations: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The api as a process that reaches neither Kafka nor AWS."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TXF_")} | {
        "TXF_API_HTTP_HOST": "127.0.0.1",
        "TXF_API_HTTP_PORT": str(operations),
        "TXF_API_PUBLIC_HOST": "127.0.0.1",
        "TXF_API_PUBLIC_PORT": str(port),
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


def answers(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def test_without_kafka_it_lives_is_not_ready_and_stops_when_told_to(tmp_path: Path) -> None:
    log = tmp_path / "log"
    port, operations = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    with process(port, operations, log) as child:
        wait_until(lambda: answers(f"{url}/docs"), patience_s=PATIENCE_S)
        wait_until(lambda: answers(f"http://127.0.0.1:{operations}/healthz"), patience_s=PATIENCE_S)
        readiness = httpx.get(f"http://127.0.0.1:{operations}/readyz", trust_env=False)
        assert readiness.status_code == 503
        assert httpx.get(f"{url}/features/latest", trust_env=False).status_code == 503
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_S) == 0
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("which", ["public", "operations"])
def test_a_port_in_use_is_one_sentence_and_exit_code_1(which: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        public, operations = (port, free_port()) if which == "public" else (free_port(), port)
        with process(public, operations, log) as child:
            assert child.wait(PATIENCE_S) == 1
    # Beside the log's lines, which are JSON: Kafka's client may have begun to connect.
    [sentence] = [line for line in log.read_text().splitlines() if not line.startswith("{")]
    assert sentence.startswith(f"api: port {port} on 127.0.0.1 can't be used")
