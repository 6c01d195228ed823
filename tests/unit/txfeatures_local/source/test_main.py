import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

COMMAND = [sys.executable, "-m", "txfeatures_local.source"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "recording.ndjson"
    path.write_text('{"arrived_at":1729334970,"tx":{"time":1729334970}}\n' * 3)
    return path


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def refused(*arguments: str) -> str:
    process = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert process.stderr.count("\n") == 1
    return process.stderr


@pytest.mark.integration
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_a_recording_until_told_to_stop(recording: Path, number: signal.Signals) -> None:
    with running("--file", str(recording)) as (process, url):
        assert len(httpx.get(url, trust_env=False).json()["txs"]) == 3
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
        assert process.communicate()[1] == ""


@pytest.mark.integration
def test_it_serves_a_simulation() -> None:
    with running("--simulate", "--seed", "7") as (_, url):
        [tx] = httpx.get(url, trust_env=False).json()["txs"][-1:]
        assert tx["relayed_by"] == "0.0.0.0"


@pytest.mark.integration
def test_it_mixes_recorded_errors_in(recording: Path, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    errors.write_text(json.dumps({"http": 418, "ctype": None, "body": "teapot"}))
    arguments = ["--file", str(recording), "--errors", str(errors), "--error-rate", "1"]
    statuses = set()
    with running(*arguments) as (_, url):
        for _ in range(60):
            with suppress(httpx.TransportError):
                statuses.add(httpx.get(url, trust_env=False).status_code)
    assert statuses == {200, 418, 429}


@pytest.mark.integration
def test_a_recording_that_breaks_half_way_ends_it(recording: Path) -> None:
    recording.write_text(recording.read_text() + "broken\n")
    with running("--file", str(recording)) as (process, url):
        with suppress(httpx.TransportError):  # it may be gone before it has answered
            assert httpx.get(url, trust_env=False).status_code == 500
        assert process.wait(timeout=30) == 1
        assert "Line 4 of the recording" in process.communicate()[1]


@pytest.mark.integration
def test_wrong_arguments_end_in_one_sentence(recording: Path) -> None:
    assert "either --file" in refused()
    assert "either --file" in refused("--simulate", "--file", str(recording))
    assert "name a file that exists" in refused("--file", str(recording) + "x")
    assert "name a file that exists" in refused("--simulate", "--errors", "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "stop the server there" in refused("--simulate", "--port", port)
