"""The command ``kafka-local``, as a process."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_local.ports import free_port, is_free

pytestmark = pytest.mark.integration

COMMAND = Path(sys.executable).with_name("kafka-local")


@contextmanager
def running(folder: Path, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Yield the process and its first line; kill it in the end."""
    with subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        env={"TMPDIR": str(folder), "HOME": str(Path.home())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=obey_sigint,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


def obey_sigint() -> None:
    """Undo what a shell does to a background job, and its children with it: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(process: subprocess.Popen[str], number: signal.Signals) -> None:
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def topics(servers: str) -> set[str]:
    return set(AdminClient({"bootstrap.servers": servers}).list_topics(timeout=10).topics)


def test_one_line_has_the_address_and_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, "--port", port) as (process, line):
        assert re.fullmatch(rf"Kafka [\d.]+ serves at 127\.0\.0\.1:{port}\n", line)
        assert topics(f"127.0.0.1:{port}") == set()
        interrupt(process, signal.SIGINT)
    assert is_free(port)
    assert list(tmp_path.iterdir()) == []


def test_a_data_directory_keeps_the_topics(tmp_path: Path) -> None:
    arguments = ("--port", 0, "--data-dir", tmp_path / "data")
    with running(tmp_path, *arguments) as (process, line):
        admin = AdminClient({"bootstrap.servers": line.split()[-1], "log_level": 0})
        admin.create_topics([NewTopic("kept", 1)])["kept"].result(30)
        interrupt(process, signal.SIGTERM)
    with running(tmp_path, *arguments) as (_, line):
        assert "kept" in topics(line.split()[-1])


def test_a_port_in_use_ends_in_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with running(tmp_path, "--port", port) as (process, line):
            _, errors = process.communicate(timeout=60)
    assert (line, process.returncode) == ("", 1)
    assert errors == (
        f"Port {port} of 127.0.0.1 is in use; stop the server there or choose another port.\n"
    )
