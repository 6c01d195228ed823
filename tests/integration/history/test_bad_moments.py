"""Commands over the past on an AWS that throttles: for a moment, and for ever."""

import threading
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from typer.testing import Result

from tests.integration.history.account import Account
from tests.integration.history.commands import command
from tests.support.declared import EMPTY, row
from txfeatures import bootstrap
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_start_s
from txfeatures.kafka.effective import Effective
from txfeatures.process.clock import SystemClock

pytestmark = pytest.mark.integration

SPAN = ("--start", "2024-10-19 10:40", "--end", "2024-10-19 11:10")
OPERATIONS = {
    "audit": ["s3:GET", "s3:HEAD", "DescribeFeatureGroup", "BatchGetRecord"],
    "backfill": ["s3:GET", "DescribeFeatureGroup", "BatchWriteRecord"],
    "bootstrap": ["s3:HEAD", "DescribeFeatureGroup", "glue:POST"],
    "compact": [
        "s3:GET",
        "s3:PUT",
        "DescribeFeatureGroup",
        "StartQueryExecution",
        "GetQueryExecution",
    ],
    "dataset": ["s3:GET", "DescribeFeatureGroup"],
}


def errors(operation: str) -> list[str]:
    """Return what AWS answers for a moment, the throttling first."""
    if operation.startswith("s3:"):
        return ["SlowDown", "InternalError", "ServiceUnavailable", "drop"]
    return ["ThrottlingException", "InternalFailure", "ServiceUnavailable", "drop"]


LASTING = [(name, operation) for name in OPERATIONS for operation in OPERATIONS[name]]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every pause of a retry be over at once."""

    def wait(_: SystemClock, stop: threading.Event, _seconds: float) -> bool:
        return stop.is_set()

    monkeypatch.setattr(SystemClock, "wait", wait)
    monkeypatch.setattr(bootstrap, "KafkaAdmin", MagicMock())
    nothing = Effective(topics=(), brokers={}, broker_count=0, denied=())
    monkeypatch.setattr(bootstrap, "read_effective", lambda *_, **__: nothing)


def run(name: str, folder: Path) -> Result:
    arguments = {
        "audit": ("--complete",),
        "backfill": (*SPAN, "--state", str(folder / "state.json"), "--rows-per-s", "10000"),
        "dataset": (*SPAN, "--out", str(folder / "out.parquet")),
    }
    return command(name, *arguments.get(name, ()))


def spoil(account: Account) -> None:
    """Give a backfill two rows to write."""
    for name in ("2024-10-19 10:51:00", "2024-10-19 10:52:00"):
        minute_s = minute_start_s(name)
        known_ms = (minute_s + 200) * 1000
        empty = row(
            EMPTY, minute_s=minute_s, event_time_ms=known_ms, revision=9, is_final=True, gaps=0
        )
        account.put(empty, "OfflineStore")
    account.controls.flush()


@pytest.mark.parametrize("account", ["iceberg"], indirect=True)
def test_every_command_outlasts_a_bad_moment(replay: Account, tmp_path: Path) -> None:
    for name, operations in OPERATIONS.items():
        ordered = [
            {"operation": operation, "error": error}
            for operation in operations
            for error in errors(operation)
        ]
        if name == "backfill":
            spoil(replay)
        replay.controls.forget()
        replay.controls.order(*ordered)
        result = run(name, tmp_path)
        assert result.exit_code == 0, (name, result.output, result.exception)
        called = {operation: replay.controls.calls(operation) for operation in operations}
        assert all(called[each] > len(errors(each)) for each in operations), called


@pytest.mark.parametrize("account", ["iceberg"], indirect=True)
def test_a_bad_time_that_lasts_is_one_sentence(replay: Account, tmp_path: Path) -> None:
    for name, operation in LASTING:
        if name == "backfill":
            spoil(replay)
        replay.controls.forget()
        fault = {"operation": operation, "error": errors(operation)[0], "times": 1000}
        replay.controls.order(fault)
        result = run(name, tmp_path)
        assert isinstance(result.exception, TransientError), (name, operation, result.output)
        sentence = str(result.exception)
        assert "throttled or unavailable" in sentence, (name, operation, sentence)
        assert "again" in sentence, (name, operation, sentence)
