import re
import subprocess

import pytest
import yaml

from tests.observability.conftest import (
    CASES,
    PROMETHEUS,
    REPOSITORY,
    alerts,
    program,
    rules,
    selectors,
)
from txfeatures.process.metrics import DEFINITIONS

HISTOGRAM = ("_bucket", "_sum", "_count")
TARGET_LABELS = {"", "namespace"}

each_alert = pytest.mark.parametrize("name", alerts())


def declared() -> dict[str, set[str]]:
    """Return name -> labels of every series that can exist."""
    found: dict[str, set[str]] = {
        rule["record"]: {*rule.get("labels", {})} for rule in rules() if "record" in rule
    }
    for metric in DEFINITIONS:
        suffixes = HISTOGRAM if metric.kind == "histogram" else ("",)
        found |= {metric.name + suffix: {*metric.labels, "le"} for suffix in suffixes}
    return found


def test_rules_and_panels_select_only_what_the_closed_list_declares() -> None:
    known = declared()
    found = selectors()
    assert len(found) > 50
    assert {metric for metric, _ in found} - known.keys() == set()
    assert [s for s in found if s[1] not in known[s[0]] | TARGET_LABELS] == []


@each_alert
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")
    assert rule["annotations"]["runbook_url"] == f"docs/how-to/alerts.md#{name.lower()}"


@each_alert
def test_an_alert_has_a_runbook_of_its_name(name: str) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "alerts.md").read_text()
    assert re.search(rf"^#+ {name}$\n\n\S", page, re.MULTILINE)


def test_every_runbook_has_its_alert() -> None:
    page = (REPOSITORY / "docs" / "how-to" / "alerts.md").read_text()
    assert re.findall(r"^#+ (Txf\w+)$", page, re.MULTILINE) == list(alerts())


@each_alert
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_quiet(name: str) -> None:
    cases = [
        test
        for group in yaml.safe_load(CASES.read_text())["tests"]
        for test in group.get("alert_rule_test", ())
        if test["alertname"] == name
    ]
    assert {bool(case["exp_alerts"]) for case in cases} == {True, False}


def test_every_case_comes_out_as_promtool_finds() -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", CASES], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_its_configuration() -> None:
    done = subprocess.run(
        [program("promtool"), "check", "config", PROMETHEUS / "prometheus.yml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
