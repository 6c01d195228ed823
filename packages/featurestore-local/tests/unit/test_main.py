import os
import signal
import socket
import subprocess
import sys

import boto3
import pytest

pytestmark = pytest.mark.integration


def start(*options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "featurestore_local", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("TXF_")},
    )


@pytest.mark.parametrize("stop_signal", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(stop_signal: signal.Signals) -> None:
    with start("--port", "0", "--region", "eu-central-1") as process:
        assert process.stdout is not None
        url, region = (part.partition("=")[2] for part in process.stdout.readline().split())
        assert region == "eu-central-1"
        sts = boto3.Session("any", "any", region_name=region).client("sts", endpoint_url=url)
        assert sts.get_caller_identity()["Account"] == "123456789012"
        process.send_signal(stop_signal)
        assert process.wait(timeout=60) == 0


def test_a_taken_port_is_one_sentence_and_exit_code_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with start("--port", str(taken.getsockname()[1])) as process:
            _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.count("\n") == 1
    assert "choose another with --port." in errors
