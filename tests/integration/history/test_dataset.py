from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.integration.history.account import Account
from tests.integration.history.commands import command
from tests.support import oracle
from tests.support.shared_data import RECORDING
from txfeatures.domain.features import EVENT_TIME

pytestmark = pytest.mark.integration


def test_a_dataset_knows_only_what_was_known_at_the_time(replay: Account, tmp_path: Path) -> None:
    span = ("--start", "2024-10-19 10:40", "--end", "2024-10-19 11:10")
    for source in ("offline-store", "archive"):
        out = tmp_path / f"{source}.parquet"
        result = command(
            "dataset", *span, "--out", str(out), "--source", source, "--complete",
            "--known-at", "2024-10-19 10:55:30",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        rows = pq.read_table(out).to_pylist()
        assert [row["tx_minute"] for row in rows] == [
            f"2024-10-19 10:{minute}:00" for minute in range(40, 55)
        ]
        known = {row["tx_minute"]: row for row in rows if not row["is_gap"]}
        assert all(row[EVENT_TIME] <= 1_729_335_330 for row in known.values())
        assert all(row["total_nb_trx_1min"] is None for row in rows if row["is_gap"])
        assert "2024-10-19 10:52:00" in known
        assert "2024-10-19 10:54:00" not in known


@pytest.mark.parametrize("account", ["iceberg"], indirect=True)
def test_a_recording_backfilled_into_an_iceberg_group_makes_the_training_set_of_the_oracle(
    account: Account, tmp_path: Path
) -> None:
    result = command(
        "backfill", "--from", str(RECORDING), "--state", str(tmp_path / "state.json"),
        "--rows-per-s", "1000",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    account.controls.flush()
    out = tmp_path / "out.parquet"
    span = ("--start", "2024-10-19 10:49", "--end", "2024-10-19 11:04")
    result = command("dataset", *span, "--out", str(out))
    assert result.exit_code == 0, result.output
    assert {
        row["tx_minute"]: (row["total_nb_trx_1min"], row["total_fee_1min"])
        for row in pq.read_table(out).to_pylist()
    } == oracle.minutes(RECORDING)
