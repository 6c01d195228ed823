import os
import subprocess
import sys
from pathlib import Path

from txfeatures_poller.spool import Spool


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """Start the service as its image does, and wait for its end."""
    return subprocess.run(
        [sys.executable, "-m", "txfeatures_poller"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_setting_is_one_sentence_and_exit_code_1() -> None:
    ended = start(TXF_POLLER_INTERVALL_S="2")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "poller: TXF_POLLER_INTERVALL_S is not a setting; "
        "see docs/reference/settings.md for the names\n"
    )


def test_a_spool_in_use_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    with Spool(tmp_path / "twin.sqlite"):
        ended = start(TXF_POLLER_NAME="twin", TXF_POLLER_SPOOL_DIR=os.fspath(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.startswith("poller: the spool ")
    assert "TXF_POLLER_NAME" in ended.stderr
    assert ended.stderr.count("\n") == 1
