import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.cdk import studio_function
from txfeatures.domain.errors import SettingsError


def test_code_that_was_not_made_is_named_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studio_function, "ROOT", tmp_path)
    monkeypatch.setattr(studio_function, "CODE", tmp_path / "build" / "studio")
    with pytest.raises(SettingsError, match="needs build/studio, which is missing; run `make stu"):
        studio_function.code()
    (tmp_path / "build" / "studio" / "txfeatures").mkdir(parents=True)
    assert studio_function.code() == tmp_path / "build" / "studio"


def test_it_is_made_anew_of_our_package_and_of_locked_wheels_for_lambda(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[list[str], str]] = []

    def run(command: list[str], **_: Any) -> None:
        calls.append((command, Path(command[-1]).read_text()))

    monkeypatch.setattr(subprocess, "run", run)
    out = tmp_path / "studio"
    (out / "stale").mkdir(parents=True)
    studio_function.main(out)
    [(command, requirements)] = calls
    assert {"--require-hashes", "--no-deps"} <= set(command)
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert command[command.index("--python-version") + 1] == studio_function.PYTHON
    named = set(re.findall(r"^([\w-]+)==", requirements, re.MULTILINE))
    assert named >= {"boto3", "botocore", "pydantic", "pydantic-core", "prometheus-client"}
    assert not named & {"pyarrow", "confluent-kafka", "duckdb"}
    assert not (out / "stale").exists()
    assert (out / "txfeatures" / "studio" / "custom_resource.py").is_file()
    assert not list(out.rglob("__pycache__"))
