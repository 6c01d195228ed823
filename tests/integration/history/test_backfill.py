import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.integration.history.account import Account, put_changed
from tests.integration.history.commands import audited, command
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, minute_name
from txfeatures.domain.model import Record
from txfeatures.domain.topics import DEDUPED
from txfeatures.feature_store.codec import WRITE_BATCH
from txfeatures.process.clock import SystemClock

pytestmark = pytest.mark.integration


PATIENCE_S = 120.0


def test_a_backfill_killed_in_the_middle_and_run_again_gives_the_rows_once(
    account: Account, tmp_path: Path
) -> None:
    start_s, minutes = 1_729_296_000, 1600
    records = [
        Record(
            topic=DEDUPED, partition=0, offset=n, key=b"", timestamp_ms=second * 1000,
            value=json.dumps({"hash": f"{n:064x}", "time": second, "fee": n}).encode(),
        )
        for n, second in enumerate(range(start_s, start_s + minutes * 60, 30))
    ]  # fmt: skip
    account.archive(records)
    state = tmp_path / "state.json"
    arguments = ["--end", "2024-10-20 02:00", "--state", str(state), "--rows-per-s"]
    code = "import typer; from txfeatures.cli.backfill import backfill; typer.run(backfill)"
    # The 31st call is never answered: some rows are put, of which some are not yet noted.
    hang = {"operation": "BatchWriteRecord", "error": "hang", "after": 30, "hang_s": PATIENCE_S}
    account.controls.forget()
    account.controls.order(hang)
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments, "10000"],
        env=dict(os.environ),
        start_new_session=True,
    )
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_S
    while account.controls.calls("BatchWriteRecord") <= 30:
        assert process.poll() is None
        assert clock.monotonic() < deadline
        clock.wait(threading.Event(), 0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    account.controls.forget()
    account.controls.flush()
    assert len(account.offline_rows()) == 30 * WRITE_BATCH
    assert state.exists()

    result = command("backfill", *arguments, "10000")
    assert result.exit_code == 0, result.output
    assert not state.exists()
    account.controls.flush()
    rows = account.offline_rows()
    once = {(row[RECORD_IDENTIFIER], row[EVENT_TIME]) for row in rows}
    wanted = [minute_name(start_s + 60 * n) for n in range(1560)]
    assert sorted(name for name, _ in once) == wanted
    assert {row["total_nb_trx_1min"] for row in rows} == {2}
    assert {row["revision"] for row in rows} == {1}

    again = command("backfill", *arguments, "10000")
    assert ": 0 rows written" in again.stdout


def test_a_backfill_repairs_what_differs_and_leaves_the_rest(
    replay: Account, tmp_path: Path
) -> None:
    put_changed(replay.runtime, "2024-10-19 10:52:00", "OfflineStore", total_fee_1min="7")
    replay.controls.flush()
    span = ("--start", "2024-10-19 10:45", "--end", "2024-10-19 10:54")
    assert ": 1 rows would be written" in command("backfill", *span, "--dry-run").stdout
    result = command("backfill", *span, "--state", str(tmp_path / "state.json"))
    assert result.exit_code == 0, result.output
    replay.controls.flush()
    assert audited("--complete")[0] == 0
