"""Generator of the chart's derived files: ``python -m deploy.helm.generate [--check]``.

It writes the schema of the values, the groups of settings and the secrets that each process reads,
and copies of the alert rules and dashboards, because a chart can't read files outside its folder.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from deploy.generated import Generated
from deploy.helm import chart_settings
from deploy.helm.schema import schema

CHART = Path(__file__).parent / "txfeatures"
OBSERVABILITY = Path(__file__).parents[1] / "observability"

_COPIES = {
    "prometheus/alerts.yml": "files/alerts.yml",
    "grafana/dashboards/*.json": "files/dashboards/{name}",
}


def files() -> dict[str, str]:
    """Return path in the chart -> text of every generated file."""
    return {
        "values.schema.json": _json(schema()),
        "files/settings.json": _json(chart_settings.readers()),
        "files/secrets.json": _json(chart_settings.secrets()),
        **_copies(),
    }


def _copies() -> dict[str, str]:
    return {
        target.format(name=path.name): path.read_text(encoding="utf-8")
        for pattern, target in _COPIES.items()
        for path in sorted(OBSERVABILITY.glob(pattern))
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


GENERATED = Generated(
    command="python -m deploy.helm.generate", directory=CHART, files=files, owned="files/**/*.*"
)

if __name__ == "__main__":
    typer.run(GENERATED.main)
