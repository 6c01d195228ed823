"""The estimate, from a rate file with round numbers."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from txfeatures.cli import cost as command
from txfeatures.cost.estimate import Estimate, Kind, Load, estimate
from txfeatures.cost.rates import load, text
from txfeatures.domain.errors import SettingsError
from txfeatures.domain.topics import TOPICS

LIVE = Load(
    rate=7.0, polls=1.0, partitions=4, retention_h=168.0, remembered_h=48.0, archive_months=12.0
)


def bill(kind: Kind, load_: Load = LIVE) -> Estimate:
    return estimate(kind, load_, load())


def usd(found: Estimate, item: str) -> float:
    [line] = [line for line in found.lines if line.item.startswith(item)]
    return line.usd


@pytest.mark.parametrize("kind", ["lean", "standard"])
def test_the_live_rate_costs_at_most_40_percent_of_the_demo_it_replaces(kind: Kind) -> None:
    assert bill(kind).usd <= 0.4 * command.SEED_USD


def test_the_bill_by_hand() -> None:
    found = bill("standard")
    assert usd(found, "EKS cluster") == pytest.approx(730 * 0.10)
    assert usd(found, "MSK brokers") == pytest.approx(3 * 730 * 0.0507)
    assert usd(found, "nodes") == pytest.approx(3 * 730 * 0.0368)
    month = 730 * 3600
    assert usd(found, "data through it") == pytest.approx(month * 43_121 / 1e9 * 0.048)
    crossing = 5 * 7 * 946 * month / 1e9 * 2 / 3
    assert usd(found, "traffic between zones") == pytest.approx(crossing * 0.02)
    archive = 7 * 349 * month / 1e9 * 12
    assert usd(found, "archive in S3") == pytest.approx(archive * 0.023)
    assert found.usd == pytest.approx(sum(line.usd for line in found.lines))


def test_serverless_is_billed_by_hours_partitions_and_bytes() -> None:
    found = bill("serverless")
    partitions = sum(4 if topic.scales else 1 for topic in TOPICS)
    assert usd(found, "its partitions") == pytest.approx(730 * partitions * 0.0015)
    assert usd(found, "written to it") == pytest.approx(2 * 7 * 946 * 730 * 3600 / 1e9 * 0.10)
    assert not [line for line in found.lines if line.item.startswith("MSK brokers")]


def test_memory_of_remembered_hashes_decides_the_nodes_under_load() -> None:
    loaded = bill("standard", dataclasses.replace(LIVE, rate=10_000.0))
    [nodes] = [line for line in loaded.lines if line.item.startswith("nodes")]
    gigabytes = 3.0 + 10_000 * 48 * 3600 * 94.46 / 1e9
    assert f"{gigabytes:.1f} GB" in nodes.quantity
    assert usd(loaded, "storage of the brokers") > 100 * usd(bill("standard"), "storage of the")


def test_more_load_never_costs_less() -> None:
    for kind in command.KINDS:
        bills = [
            bill(kind, dataclasses.replace(LIVE, rate=rate)).usd
            for rate in (1, 7, 50, 1_000, 9_000)
        ]
        assert bills == sorted(bills)


def test_the_command_prints_each_line_and_marks_rates_nobody_looked_up() -> None:
    result = CliRunner().invoke(_app(), ["--kind", "lean"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "lean, 7 transactions a second"
    marked = [line for line in lines[1:17] if line.endswith(" *")]
    assert len(marked) == 15
    assert re.fullmatch(r"  total +[\d.,]+   \d+% of 850", lines[17])
    assert "* This rate was not compared" in result.stdout


def test_json_has_every_line() -> None:
    result = CliRunner().invoke(_app(), ["--json", "--rate", "100"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["kind"] for one in found] == list(command.KINDS)
    assert {one["rate"] for one in found} == {100.0}
    for one in found:
        assert sum(line["usd"] for line in one["lines"]) == pytest.approx(one["usd"], abs=0.2)


def test_a_rate_file_of_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "rates.toml"
    file.write_text(text().replace("usd = 0.10\n", 'usd = 0.20\nlooked_up = "2026-11-27"\n', 1))
    with pytest.raises(SettingsError, match="no rate file"):
        load(file)  # the key stands there twice
    file.write_text(text().replace("usd = 0.10\n", "usd = 0.20\n", 1))
    assert usd(estimate("lean", LIVE, load(file)), "EKS cluster") == pytest.approx(730 * 0.20)


@pytest.mark.parametrize("broken", ["", "[rates", "region = 7", text().replace("usd_hour", "eur")])
def test_a_broken_rate_file_is_one_sentence_with_the_way_out(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "rates.toml"
    file.write_text(broken)
    with pytest.raises(SettingsError, match=r"copy the shipped rates\.toml") as raised:
        load(file)
    assert str(file) in str(raised.value)


def test_a_missing_rate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load(tmp_path / "none.toml")


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(command.cost)
    return app
