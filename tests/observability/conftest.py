"""The committed rules and dashboards, and the programs that check them."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observability.dashboards import BOARDS

REPOSITORY = Path(__file__).resolve().parents[2]
PROMETHEUS = REPOSITORY / "deploy" / "observability" / "prometheus"
CASES = Path(__file__).with_name("alerts.test.yml")

_METRIC = re.compile(r"\b(txf_[a-z0-9_]+|txf:[a-z0-9_:]+)(?:\{([^}]*)\})?")


def program(name: str) -> str:
    """Return the path of a program; skip the test, with the reason, if it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here; Debian's package prometheus has it")
    return found


def rules() -> list[dict[str, Any]]:
    """Return all rules of Prometheus."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return name -> rule of every alert."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def queries() -> Iterator[str]:
    """Yield the PromQL of all rules and panels."""
    yield from (rule["expr"] for rule in rules())
    for board in BOARDS:
        yield from (query.expr for panel in board.panels for query in panel.queries)


def selectors() -> set[tuple[str, str]]:
    """Return (metric, label of its selector) for every metric in a query."""
    return {
        (metric, label)
        for expr in queries()
        for metric, matchers in _METRIC.findall(expr)
        for label in re.findall(r"(\w+) *[=!]", re.sub(r'"[^"]*"', '""', matchers)) or [""]
    }
