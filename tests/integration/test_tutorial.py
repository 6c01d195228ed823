"""The tutorial "A model of your own", from the clone to the stream, as its page has it."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kafka_local.ports import free_port

from tests.support.shared_data import REPOSITORY
from tests.support.waiting import wait_until

pytestmark = pytest.mark.integration

PAGE = (REPOSITORY / "docs/tutorials/own-model.md").read_text(encoding="utf-8")
DEMO, MODEL, LINES, LIVE, ENDLESS = re.findall(r"^```\n(.*?)^```$", PAGE, re.M | re.S)
START_TIMEOUT_S = 240.0


def test_what_is_not_run_here_is_what_is_run_without_its_end() -> None:
    assert shlex.split(DEMO)[:2] == shlex.split(LIVE)
    assert shlex.split(MODEL)[:2] == shlex.split(ENDLESS)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Start the tutorial's demo; return the address of its api, which has a row."""
    port = free_port()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    with (tmp_path / "screen").open("wb") as screen:
        demo = subprocess.Popen(
            [*shlex.split(DEMO), f"PORT={port}"],
            cwd=REPOSITORY,
            env=environment,
            stdout=screen,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: demo.poll() is not None or has_row(url), patience_s=START_TIMEOUT_S)
        assert demo.poll() is None, (tmp_path / "screen").read_text()
        yield url
    finally:
        os.killpg(demo.pid, signal.SIGINT)  # as Ctrl-C does, to make as well
        demo.wait()
        assert "no process and no port is left behind" in (tmp_path / "screen").read_text()


def has_row(url: str) -> bool:
    try:
        return httpx.get(f"{url}/features/latest", trust_env=False).is_success
    except httpx.TransportError:
        return False


def test_the_model_forecasts_each_minute_of_the_stream(url: str) -> None:
    program, *arguments = shlex.split(MODEL)
    done = subprocess.run(
        [str(REPOSITORY / program), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "TXFEATURES_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == int(arguments[-1])
    assert [lines[0], lines[-1]] == LINES.splitlines()
    minutes = [re.match(r"2024-10-19 10:(\d\d):00  forecast", line) for line in lines]
    assert [int(found[1]) for found in minutes if found] == list(range(50, 58))
