"""The commands that the documentation shows, run beside a demo as they stand there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documented import Shown, shown
from tests.support.running_demo import TIMEOUT_S, RunningDemo
from tests.support.shared_data import REPOSITORY

pytestmark = pytest.mark.integration

ELSEWHERE = {
    "docs/how-to/own-source.md": "tests/integration/test_node_source.py",
    "docs/how-to/processes.md": "tests/integration/test_demo.py",
    "docs/how-to/studio.md": "tests/unit/txfeatures/studio/test_studio.py",
    "docs/tutorials/first-run.md": "tests/unit/docs/test_tutorial.py",
}
"""Page -> where its commands run; those of `txfeatures --demo` in test_demo.py."""

HERE = [command for command in shown() if command.page not in ELSEWHERE]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """A demo that runs, in a folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("documented")
    for name in ("deploy", "examples"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "recording.ndjson.gz").symlink_to(REPOSITORY / "examples/recording.ndjson.gz")
    page = (REPOSITORY / "docs/how-to/features.md").read_text(encoding="utf-8")
    found = re.search(r"^```yaml\n(.*?)^```$", page, re.M | re.S)
    assert found
    (folder / "features.yaml").write_text(found[1], encoding="utf-8")
    demo = RunningDemo(folder, "--source", "simulation")
    demo.wait_for("published")
    yield demo
    demo.process.terminate()
    demo.end()


def test_what_runs_elsewhere_does() -> None:
    assert ELSEWHERE.keys() <= {command.page for command in shown()}
    assert all((REPOSITORY / path).is_file() for path in ELSEWHERE.values())


@pytest.mark.parametrize("command", HERE, ids=str)
def test_a_command_runs_as_it_stands(command: Shown, demo: RunningDemo) -> None:
    words = ["txfeatures", "--demo"]
    if command.program != "txfeatures":
        words = [sys.executable, "-m", command.program]
    done = subprocess.run(
        [*words, *command.arguments],
        env={**demo.environment, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        cwd=demo.folder,
        input="y\n",  # to a replay that asks
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    made = [command.arguments[n + 1] for n, a in enumerate(command.arguments) if a == "--out"]
    assert all((demo.folder / name).exists() for name in made)
