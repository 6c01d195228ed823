import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from txfeatures.cli import create_app
from txfeatures.cli.running_demos import RunningDemo, announced, choose, running, use
from txfeatures.domain.errors import FatalError

HOLD = """
import sys
from txfeatures.cli.running_demos import RunningDemo, announced
with announced(RunningDemo(**{demo!r})):
    print("announced", flush=True)
    sys.stdin.read()
"""


def demo(port: int, **environment: str) -> RunningDemo:
    return RunningDemo(
        pid=os.getpid() + port,
        api=f"http://127.0.0.1:{port}",
        metrics={"dedup": f"http://127.0.0.1:{port + 1}"},
        environment={"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port + 2}", **environment},
    )


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("TXF_AWS_BUCKET", "the-users-own")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://the-users-own")
    return tmp_path / "txfeatures" / "demos"


def test_a_demo_is_found_while_it_runs_and_leaves_nothing(folder: Path) -> None:
    with announced(demo(8000)):
        assert running() == [demo(8000)]
        assert choose(None) == choose(8000) == demo(8000)
    assert running() == []
    assert list(folder.iterdir()) == []


def test_without_a_demo_the_sentence_names_how_to_start_one() -> None:
    with pytest.raises(
        FatalError, match="no demo runs on this machine; start one with `make demo`"
    ):
        choose(None)


def test_of_several_demos_one_is_chosen_by_its_port() -> None:
    with ExitStack() as opened:
        for port in (8001, 8000):
            opened.enter_context(announced(demo(port)))
        with pytest.raises(FatalError, match="2 demos run, on the ports 8000, 8001; choose one: "):
            choose(None)
        assert choose(8001) == demo(8001)
        with pytest.raises(FatalError, match="no demo runs on port 8002; running: 8000, 8001"):
            choose(8002)


def test_the_file_of_a_killed_demo_is_removed_by_whoever_finds_it(folder: Path) -> None:
    values = {"pid": 1, "api": "http://127.0.0.1:8000", "metrics": {}, "environment": {}}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(demo=values)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert process.stdout.readline() == "announced\n"
        assert [found.pid for found in running()] == [1]
        process.kill()
        process.wait()
        assert len(list(folder.iterdir())) == 1
        assert running() == []
        assert list(folder.iterdir()) == []


def test_the_users_own_settings_are_not_mixed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    use(demo(8000, TXF_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"))
    changed = {name: value for name, value in os.environ.items() if before.get(name) != value}
    gone = before.keys() - os.environ.keys()
    monkeypatch.undo()
    os.environ.pop("TXF_KAFKA_BOOTSTRAP_SERVERS", None)
    assert changed == {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:8002",
        "TXF_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    assert "TXF_AWS_BUCKET" in gone


def test_env_is_read_by_a_shell() -> None:
    odd = 'it\'s $HOME `x` "y"'
    with announced(demo(8000, TXFEATURES_URL=odd)):
        printed = CliRunner().invoke(create_app(), ["env"]).stdout
        as_json = json.loads(CliRunner().invoke(create_app(), ["env", "--json"]).stdout)
    shell = subprocess.run(
        ["sh", "-c", f'{printed}\nprintf %s "$TXFEATURES_URL"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == odd
    assert as_json == demo(8000, TXFEATURES_URL=odd).environment


def test_env_is_that_of_the_demo_already_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    with announced(demo(8000)), announced(demo(8001)):
        assert CliRunner().invoke(create_app(), ["env"]).exit_code == 1
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:8003")
        printed = CliRunner().invoke(create_app(), ["env"]).stdout
    assert printed == "export AWS_ENDPOINT_URL=http://127.0.0.1:8003\n"
