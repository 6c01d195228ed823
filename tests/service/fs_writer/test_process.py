import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from txfeatures.process.clock import SystemClock

pytestmark = pytest.mark.integration

READY_WITHIN_S = 60


@contextmanager
def fs_writer(port: int) -> Iterator[subprocess.Popen[str]]:
    environ = os.environ | {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "TXF_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "TXF_FS_WRITER_HTTP_HOST": "127.0.0.1",
        "TXF_FS_WRITER_HTTP_PORT": str(port),
    }
    command = [sys.executable, "-m", "txfeatures_fs_writer"]
    process = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def answer(port: int, path: str) -> tuple[int, str]:
    clock = SystemClock()
    deadline = clock.monotonic() + READY_WITHIN_S
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except URLError:
            assert clock.monotonic() < deadline
            clock.wait(Event(), 0.05)


def test_without_kafka_it_lives_is_not_ready_and_stops_when_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with fs_writer(port) as process:
        assert answer(port, "/healthz") == (200, "ok\n")
        status, reason = answer(port, "/readyz")
        assert status == 503
        assert reason == "waiting for partitions of aggregated, partitions of deduped\n"
        assert "txf_fs_writer_freshness_seconds" in answer(port, "/metrics")[1]
        process.send_signal(signal.SIGTERM)
        assert process.wait(READY_WITHIN_S) == 0


def test_a_port_in_use_stops_the_start_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
        with fs_writer(port) as process:
            _, said = process.communicate(timeout=READY_WITHIN_S)
    assert process.returncode == 1
    assert f"fs_writer: port {port} on 127.0.0.1 can't be used" in said
