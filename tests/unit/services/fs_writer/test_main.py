import subprocess
import sys
from contextlib import ExitStack
from functools import partial

import pytest

from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_fs_writer.main import build, main
from txfeatures_fs_writer.settings import Settings


def test_a_wrong_setting_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_FS_WRITER_CONCURRENCY", "many")
    assert main() == 1
    assert capsys.readouterr().err.startswith("fs_writer: TXF_FS_WRITER_CONCURRENCY='many'")


def test_an_unknown_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TXF_FS_WRITER_CONCURENCY", "8")
    assert main() == 1
    assert "TXF_FS_WRITER_CONCURENCY is not a setting" in capsys.readouterr().err


AGGREGATED, DEDUPED = "partitions of aggregated", "partitions of deduped"


@pytest.mark.parametrize(
    ("steps", "names", "missing"),
    [
        ("features", ["features"], [AGGREGATED]),
        ("archive", ["archive"], [DEDUPED]),
        ("both", ["features", "archive"], [AGGREGATED, DEDUPED]),
    ],
)
def test_the_chosen_steps_are_opened(
    monkeypatch: pytest.MonkeyPatch, steps: str, names: list[str], missing: list[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    settings = Settings.model_validate(
        {"steps": steps, "kafka": {"bootstrap_servers": "127.0.0.1:1"}}
    )
    runtime = Runtime(metrics=Metrics("fs_writer"))
    with ExitStack() as stack:
        program = build(settings, runtime, stack)
        assert isinstance(program, partial)
        assert list(program.args[0]) == names
        assert runtime.health.missing() == missing
        for name in ("features", "archive"):
            shown = runtime.metrics.registry.get_sample_value(
                "txf_fs_writer_step_failing", {"step": name}
            )
            assert shown == (0 if name in names else None)


@pytest.mark.parametrize(("steps", "loaded"), [("features", "False"), ("archive", "True")])
def test_pyarrow_is_loaded_for_the_archive_only(steps: str, loaded: str) -> None:
    program = f"""
import os, sys
os.environ["AWS_DEFAULT_REGION"] = "eu-west-1"
from contextlib import ExitStack
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_fs_writer.main import build
from txfeatures_fs_writer.settings import Settings
settings = Settings(steps={steps!r}, kafka={{"bootstrap_servers": "127.0.0.1:1"}})
with ExitStack() as stack:
    build(settings, Runtime(metrics=Metrics("fs_writer")), stack)
    print("pyarrow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == f"{loaded}\n", done.stderr
