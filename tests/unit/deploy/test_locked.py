import subprocess
import tomllib
from pathlib import Path

import pytest

from deploy.docker import locked
from tests.support.shared_data import REPOSITORY

LOCK = """\
aiokafka==0.14.0 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via txfeatures (pyproject.toml)
async-timeout==5.0.1 \\
    --hash=sha256:ba
    # via
    #   -c build/constraints.txt
    #   aiokafka
    #   redis
networkx==3.6.1 ; python_full_version < '3.12' \\
    --hash=sha256:ca
    # via cfn-lint
networkx==3.7 ; python_full_version >= '3.12' \\
    --hash=sha256:cb
    # via cfn-lint
typing-extensions==4.15.0 \\
    --hash=sha256:da
    # via async_timeout
"""

PROJECT = {
    "name": "mine",
    "dependencies": ["msgspec>=0.22"],
    "optional-dependencies": {
        "kafka": ["confluent-kafka==2.16.1"],
        "faust": ["aiokafka[lz4]==0.14.0"],
        "dedup": ["mine[kafka,faust]", "httpx"],
    },
}


def entries(*names: str) -> str:
    return "".join(
        f"{text}\n"
        for text in LOCK.replace("\n    ", "\0    ").splitlines()
        if text.startswith(names)
    ).replace("\0    ", "\n    ")


def test_a_part_holds_a_package_and_all_that_it_needs_and_no_other() -> None:
    assert locked.part(LOCK, ["aiokafka"]) == entries("aiokafka", "async", "typing")


def test_a_package_of_several_markers_comes_with_each() -> None:
    assert locked.part(LOCK, ["NetworkX"]) == entries("networkx")


def test_a_package_that_is_not_locked_is_refused_with_what_to_do() -> None:
    with pytest.raises(LookupError, match=r"not in the lock: other; run `make lock`"):
        locked.part(LOCK, ["aiokafka", "other"])


def test_an_extra_that_names_extras_is_followed() -> None:
    assert set(locked.direct(PROJECT, ["dedup"])) == {
        *("msgspec", "confluent-kafka", "aiokafka", "httpx"),
    }


def test_the_real_lock_says_of_every_package_who_asked_for_it() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert locked.part(lock, locked.direct(project, ["dev"])) == lock.partition("\n\n# ")[0] + "\n"


def test_a_service_gets_no_other_services_packages() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    api = locked.part(lock, locked.direct(project, ["api", "tracing"]))
    assert "\nfastapi==" in api
    assert "\nstarlette==" in api
    assert not any(f"\n{name}==" in api for name in ("faust-streaming", "duckdb", "moto", "mypy"))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[list[str], str]:
    """Return the command that installs a package, and the requirements that it is given."""
    commands: list[list[str]] = []
    files: list[str] = []

    def run(command: list[str], **_: object) -> None:
        commands.append(command)
        files.append(Path(command[-1]).read_text())

    lock = LOCK.replace("aiokafka", "faust-streaming")
    (tmp_path / "requirements.lock").write_text(lock)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"\n')
    monkeypatch.setattr(subprocess, "run", run)
    locked.install(tmp_path, "/opt/venv/bin/python", "faust-streaming")
    [command], [file] = commands, files
    return command, file


def test_what_is_installed_is_verified(installed: tuple[list[str], str]) -> None:
    command, file = installed
    assert "--require-hashes" in command
    assert command[command.index("--python") + 1] == "/opt/venv/bin/python"
    assert file.startswith("faust-streaming==0.14.0")


def test_only_a_package_without_a_wheel_for_arm64_may_be_built(
    installed: tuple[list[str], str],
) -> None:
    command, _ = installed
    assert command[command.index("--only-binary") + 1] == "async-timeout,typing-extensions"
