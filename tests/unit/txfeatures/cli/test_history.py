import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support import oracle
from tests.support.shared_data import RECORDING
from txfeatures.cli.audit import audit
from txfeatures.cli.backfill import backfill
from txfeatures.cli.bootstrap import bootstrap
from txfeatures.cli.compact import compact
from txfeatures.cli.dataset import dataset
from txfeatures.cli.history import choose_span
from txfeatures.domain.errors import FatalError, SettingsError
from txfeatures.history.span import Span
from txfeatures.process import aws

COMMANDS: dict[str, Callable[..., None]] = {
    "audit": audit,
    "backfill": backfill,
    "bootstrap": bootstrap,
    "compact": compact,
    "dataset": dataset,
}


def command(name: str, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(COMMANDS[name])
    return CliRunner().invoke(app, list(arguments))


def totals(path: Path) -> dict[str, tuple[int, int]]:
    rows = pq.read_table(path).to_pylist()
    return {
        row["tx_minute"]: (row["total_nb_trx_1min"], row["total_fee_1min"])
        for row in rows
        if row["total_nb_trx_1min"] is not None
    }


def test_a_recording_is_backfilled_into_a_file_as_the_oracle_says(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    result = command("backfill", "--from", str(RECORDING), "--to", str(out))
    assert result.exit_code == 0, result.output
    assert totals(out) == oracle.minutes(RECORDING)
    assert "15 rows written for 15 minutes" in result.stdout
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_recording_makes_a_training_set(tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    result = command(
        "dataset", "--source", str(RECORDING), "--out", str(out),
        "--start", "2024-10-19 10:45", "--end", "2024-10-19T10:55:00Z",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "10 minutes, 4 of them gaps" in result.stdout
    table = pq.read_table(out) if suffix == ".parquet" else pyarrow.csv.read_csv(out)
    assert table["is_gap"].to_pylist() == [True] * 4 + [False] * 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dataset", "--out", "x.xlsx"], ".parquet or .csv"),
        (["dataset", "--out", "x.csv"], "--start and --end"),
        (["dataset", "--out", "x.csv", "--source", "nowhere.gz"], "name a file that exists"),
        (["backfill", "--from", "nowhere.gz", "--to", "x.parquet"], "name a file that exists"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(arguments: list[str], words: str) -> None:
    result = command(*arguments)
    assert isinstance(result.exception, FatalError)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit"],
        ["backfill"],
        ["bootstrap"],
        ["compact"],
        ["dataset", "--out", "x.csv", "--start", "2024-10-19", "--end", "2024-10-20"],
        ["dataset", "--out", "x.csv", "--source", "archive"],
    ],
)
def test_without_settings_a_command_lists_what_to_set(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    aws._session.cache_clear()
    result = command(*arguments)
    aws._session.cache_clear()
    assert isinstance(result.exception, SettingsError)
    message = str(result.exception)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "TXF_AWS_BUCKET"):
        assert name in message


def test_a_file_of_another_kind_is_refused() -> None:
    result = command("backfill", "--from", str(RECORDING), "--to", "x.csv")
    assert "ends in .parquet" in str(result.exception)


def test_the_span_is_what_was_asked_for_or_all_there_is() -> None:
    whole = Span(start_s=60, end_s=600)
    at = datetime(1970, 1, 1, 0, 2, 30)
    assert choose_span(None, None, lambda: whole) == whole
    assert choose_span(at, None, lambda: whole) == Span(start_s=120, end_s=600)
    assert choose_span(None, at, lambda: whole) == Span(start_s=60, end_s=120)
    with pytest.raises(FatalError, match="--end must be after --start"):
        choose_span(at, at, lambda: whole)
    with pytest.raises(FatalError, match="no transaction is archived"):
        choose_span(None, at, lambda: None)
