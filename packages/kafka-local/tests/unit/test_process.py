import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kafka_local.process import GuardedProcess


def start(tmp_path: Path, script: str) -> GuardedProcess:
    return GuardedProcess(
        ["/bin/sh", "-c", script], cwd=tmp_path, output=tmp_path / "log", env={"COLOUR": "green"}
    )


@pytest.fixture
def life(tmp_path: Path) -> Path:
    # A pipe by a name: its reader meets the end when the last writer is dead.
    os.mkfifo(tmp_path / "life")
    return tmp_path / "life"


def test_output_and_errors_are_appended_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("before\n")
    process = start(tmp_path, 'echo "out $COLOUR"; echo err >&2; pwd; exit 3')
    assert process.wait() == 3
    assert process.exit_code() == 3
    assert (tmp_path / "log").read_text() == f"before\nout green\nerr\n{tmp_path}\n"


def test_a_running_program_has_no_exit_code(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep 60")
    assert process.exit_code() is None
    process.kill()
    assert process.exit_code() == -signal.SIGKILL


def test_stop_lets_the_program_end_in_order(tmp_path: Path, life: Path) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up > life; while :; do sleep 0.01; done"
    process = start(tmp_path, script)
    assert life.read_text() == "up\n"
    process.stop(grace_s=20)
    assert process.exit_code() == 0
    assert (tmp_path / "log").read_text() == "bye\n"


def test_stop_kills_a_program_that_does_not_end(tmp_path: Path, life: Path) -> None:
    process = start(tmp_path, "trap '' TERM; echo up > life; while :; do sleep 0.01; done")
    assert life.read_text() == "up\n"
    process.stop(grace_s=0.05)
    assert process.exit_code() == -signal.SIGKILL


@pytest.mark.timeout(60)
def test_kill_ends_the_programs_children_too(tmp_path: Path, life: Path) -> None:
    process = start(tmp_path, "(echo up; exec sleep 3600) > life & wait")
    with life.open() as pipe:
        assert pipe.readline() == "up\n"
        process.kill()
        assert pipe.read() == ""


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    process = start(tmp_path, "exit 0")
    process.wait()
    process.stop(grace_s=1)
    process.kill()
    assert process.exit_code() == 0


def test_the_program_is_out_of_reach_of_a_ctrl_c_at_the_terminal(tmp_path: Path) -> None:
    process = start(tmp_path, "sleep 60")
    try:
        assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    finally:
        process.kill()


_PARENT = """
import pathlib, sys, threading
from kafka_local.process import GuardedProcess

here = pathlib.Path(sys.argv[1])

def start():
    global process
    command = ["/bin/sh", "-c", "echo up; exec sleep 3600"]
    process = GuardedProcess(command, cwd=here, output=here / "life", env={})

thread = threading.Thread(target=start)
thread.start()
thread.join()
print(process.exit_code(), flush=True)
threading.Event().wait()
"""


@pytest.mark.timeout(60)
def test_the_program_outlives_the_thread_that_started_it_and_ends_when_its_parent_is_killed(
    tmp_path: Path, life: Path
) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent,
        life.open() as pipe,
    ):
        assert pipe.readline() == "up\n"
        assert parent.stdout is not None
        assert parent.stdout.readline() == "None\n"
        parent.kill()
        assert pipe.read() == ""
