"""The command itself, as a user runs it: what it prints, how it ends, what it leaves."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from kafka_local.ports import free_port

from tests.support import oracle
from tests.support.running_demo import COMMAND, TIMEOUT_S, RunningDemo
from tests.support.shared_data import RECORDED, RECORDING, REPOSITORY
from tests.support.waiting import wait_until
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import SERVICES

pytestmark = pytest.mark.integration


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not Path("/proc").is_dir():
        pytest.skip("looks for left processes in /proc, which this system lacks")
    return tmp_path


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_replay_until_drained_exports_the_oracles_rows_and_a_training_set(folder: Path) -> None:
    rows = folder / "rows.ndjson"
    training_set = folder / "set.parquet"
    demo = RunningDemo(
        folder,
        *("--source", "replay", "--file", str(RECORDING), "--clock", "poll"),
        *("--until", "drained", "--export", str(rows), "--dataset", str(training_set)),
        HTTP_PROXY="http://127.0.0.1:9",  # nobody listens there, and loopback needs no proxy
        NO_PROXY="example.org",
    )
    code, out, err = demo.end()
    assert code == 0, out + err
    assert f"drained: {RECORDED} transactions in 15 final rows" in out
    exported = [json.loads(line) for line in rows.read_text().splitlines()]
    assert {
        row["tx_minute"]: (row["total_nb_trx_1min"], row["total_fee_1min"]) for row in exported
    } == oracle.minutes(RECORDING)
    assert f"{training_set}: 15 minutes, 0 of them gaps\n" in out
    learned = pq.read_table(training_set).to_pylist()
    assert [{name: row[name] for name in row if name != "is_gap"} for row in learned] == exported
    assert demo.children() == {}


def test_a_second_terminal_needs_no_setting_and_ctrl_c_leaves_nothing(folder: Path) -> None:
    demo = RunningDemo(folder, "--source", "simulation")
    assert demo.process.stdout
    demo.wait_for(f"live page: http://127.0.0.1:{demo.port}/")
    demo.wait_for("--demo top")
    demo.wait_for(' --demo env)"')
    demo.wait_for("published")
    top = demo.second_terminal("--demo", "top", "--json")
    assert top.returncode == 0, top.stderr
    stages = {stage["name"]: stage for stage in json.loads(top.stdout)["stages"]}
    assert stages.keys() == set(SERVICES)
    assert stages["poller"]["records_in"] > 0
    audit = first_audit(demo)
    assert audit.returncode == 0, audit.stderr
    assert json.loads(audit.stdout)["findings"] == []
    assert demo.second_terminal("--demo", "dlq", "list", "--json").returncode == 0
    script = (
        "import boto3; print(boto3.client('sagemaker').list_feature_groups()['ResponseMetadata'])"
    )
    line = f'eval "$({COMMAND} --demo env)" && {sys.executable} -c "{script}"'
    shell = subprocess.run(
        ["sh", "-c", line], env=demo.environment, capture_output=True, text=True, check=False
    )
    assert "'HTTPStatusCode': 200" in shell.stdout, shell.stderr
    assert is_listening(demo.port)
    commands = " ".join(demo.children().values())
    assert [name for name in SERVICES if f"-m txfeatures_{name}" in commands] == [*SERVICES]
    demo.process.send_signal(signal.SIGINT)
    code, out, err = demo.end()
    assert (code, err) == (0, "")
    assert "no process and no port is left behind" in out
    assert demo.children() == {}
    assert not is_listening(demo.port)
    assert list(folder.iterdir()) == []
    after = demo.second_terminal("--demo", "top")
    assert (after.returncode, after.stderr) == (
        1,
        "txfeatures: no demo runs on this machine; start one with `make demo`\n",
    )


def first_audit(demo: RunningDemo) -> subprocess.CompletedProcess[str]:
    """Return the first audit that finds a minute in the archive, or that fails otherwise."""
    audits: list[subprocess.CompletedProcess[str]] = []

    def finds_a_minute() -> bool:
        audits.append(demo.second_terminal("--demo", "audit", "--json"))
        return "no transaction is archived yet" not in audits[-1].stderr

    wait_until(finds_a_minute, patience_s=TIMEOUT_S)
    return audits[-1]


def test_ctrl_c_at_a_terminal_ends_make_demo_with_exit_code_0(folder: Path) -> None:
    port, (keyboard, terminal) = free_port(), os.openpty()
    make = subprocess.Popen(
        ["make", "demo", "SOURCE=simulation", f"PORT={port}"],
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(folder), "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(terminal)
    with os.fdopen(keyboard, "rb+", buffering=0) as keys:
        shown = b""
        while b"Ctrl-C stops everything" not in shown:
            shown += keys.read(4096)
        keys.write(b"\x03")
        with contextlib.suppress(OSError):  # the terminal is gone with its last process
            while more := keys.read(4096):
                shown += more
        assert make.wait(TIMEOUT_S) == 0, shown.decode()
    assert b"no process and no port is left behind" in shown
    assert not is_listening(port)


def test_a_service_that_dies_ends_the_demo_with_one_sentence(folder: Path) -> None:
    demo = RunningDemo(folder, "--source", "simulation")
    demo.wait_for("published")
    os.kill(demo.child("txfeatures_dedup"), signal.SIGKILL)
    code, _, err = demo.end()
    assert code == 1
    assert err.startswith("txfeatures: dedup ended with code -9")
    assert len(err.splitlines()) == 1
    assert demo.children() == {}


def test_a_port_in_use_ends_in_one_sentence(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        demo = RunningDemo(folder, "--source", "simulation", "--port", str(port))
        code, _, err = demo.end()
    assert code == 1
    assert err == f"txfeatures: port {port} is in use; free it or set another PORT\n"


def test_killing_the_demo_itself_leaves_no_process(folder: Path) -> None:
    demo = RunningDemo(folder, "--source", "simulation")
    demo.wait_for("published")
    demo.process.kill()
    demo.end()
    clock = SystemClock()
    deadline = clock.monotonic() + 30
    while demo.children() and clock.monotonic() < deadline:
        clock.wait(threading.Event(), 0.1)
    assert demo.children() == {}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "replay"], "a replay needs a recording: add FILE=path, or --file path"),
        (
            ["--source", "replay", "--file", "nowhere.gz"],
            "there is no recording nowhere.gz; check FILE",
        ),
        (
            ["--source", "simulation", "--until", "drained"],
            "only a replay ends: UNTIL=drained needs SOURCE=replay and FILE=path",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    folder: Path, arguments: list[str], sentence: str
) -> None:
    code, out, err = RunningDemo(folder, *arguments).end()
    assert (code, out, err) == (1, "", f"txfeatures: {sentence}\n")
