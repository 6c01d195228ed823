import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from txfeatures.cli import create_app
from txfeatures.doctor import diagnosis as module
from txfeatures.doctor.diagnosis import Extent, diagnose
from txfeatures.doctor.finding import Check, Finding, Verdict, failure, ok
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime


class Sides:
    """Stands for the checks of every side; each has one, with the name of its class."""

    made: list[str]
    verdict: Verdict


def part(sides: Sides, name: str, subject: Any) -> type:
    class Part:
        def __init__(self, *_: object, **__: object) -> None:
            sides.made.append(name)

        def checks(self) -> Iterator[Check]:
            yield Check(subject=subject, name=name, judge=lambda: sides.verdict)

    return Part


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> Sides:
    found = Sides()
    found.made, found.verdict = [], ok("fine")
    for name, subject in (
        ("KafkaChecks", "kafka"),
        ("AccountChecks", "aws"),
        ("BucketChecks", "aws"),
        ("FeatureGroupChecks", "feature store"),
        ("CatalogChecks", "catalog"),
        ("DoubtChecks", "doubts"),
    ):
        monkeypatch.setattr(module, name, part(found, name, subject))
    return found


def run(extent: Extent) -> list[Finding]:
    return list(diagnose(extent, Runtime(metrics=Metrics("doctor"))))


def test_every_side_is_examined_but_doubts_are_settled_only_if_wanted(sides: Sides) -> None:
    first = [found.check for found in run(Extent())]
    assert first[:3] == ["versions", "settings", "features file"]
    assert first[3:] == [
        "KafkaChecks", "AccountChecks", "BucketChecks", "FeatureGroupChecks", "CatalogChecks"
    ]  # fmt: skip
    assert [found.check for found in run(Extent(settles=True))] == [*first, "DoubtChecks"]
    assert sides.made[-1] == "DoubtChecks"


def test_one_side_is_examined_alone(sides: Sides) -> None:
    run(Extent(sides=frozenset({"kafka"})))
    assert sides.made == ["KafkaChecks"]


def test_with_wrong_settings_nothing_else_is_examined(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TXF_BOOTSTRAP_PARTITIONS", "0")
    monkeypatch.setenv("TXF_KAFKA_SERVER", "kafka:9092")
    found = {each.check: each for each in run(Extent())}
    assert found["settings"].state == "failure"
    assert "TXF_KAFKA_SERVER is not a setting" in found["settings"].sentence
    assert "TXF_BOOTSTRAP_PARTITIONS='0'" in found["settings"].sentence
    assert {found[name].state for name in ("features file", "all of aws", "all of kafka")} == {
        "skipped"
    }
    assert sides.made == []


def test_a_wrong_features_file_is_named_with_its_line(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "features.yaml"
    file.write_text("features: [")
    monkeypatch.setenv("TXF_FEATURES_FILE", str(file))
    found = {each.check: each for each in run(Extent())}
    assert found["features file"].state == "failure"
    assert f"{file}:" in found["features file"].sentence
    assert "KafkaChecks" in sides.made


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(create_app(), ["doctor", *arguments])


def test_the_command_prints_a_table_by_subject_and_exits_with_0(sides: Sides) -> None:
    assert sides.made == []
    result = invoke()
    assert result.exit_code == 0
    blocks = result.stdout.strip().split("\n\n")
    subjects = ["versions", "settings", "kafka", "aws", "feature store", "catalog"]
    assert [block.splitlines()[0] for block in blocks[:-1]] == subjects
    assert blocks[2].splitlines()[1].split() == ["ok", "KafkaChecks", "fine"]
    assert blocks[-1] == "8 ok, 0 warnings, 0 failures, 0 skipped"
    assert "\x1b" not in result.stdout


def test_a_failure_exits_with_1_and_json_has_a_line_for_each_finding(sides: Sides) -> None:
    sides.verdict = failure("mend it")
    result = invoke("--only", "aws", "--json")
    assert result.exit_code == 1
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["check"] for each in found if each["state"] == "failure"] == [
        "AccountChecks", "BucketChecks", "FeatureGroupChecks", "CatalogChecks"
    ]  # fmt: skip
