"""The chart's files that repeat others: ``python -m deploy.helm.generate [--check]``.

Written are the schema of the values, the groups of settings that each process reads, and
copies of the alert rules and dashboards, since a chart can't read outside its folder.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy.helm import chart_settings
from deploy.helm.schema import schema

CHART = Path(__file__).parent / "txfeatures"
OBSERVABILITY = Path(__file__).parents[1] / "observability"
COMMAND = "python -m deploy.helm.generate"

_COPIES = {
    "prometheus/alerts.yml": "files/alerts.yml",
    "grafana/dashboards/*.json": "files/dashboards/{name}",
}


def files() -> dict[str, str]:
    """Return path in the chart -> text of every generated file."""
    return {
        "values.schema.json": _json(schema()),
        "files/settings.json": _json(chart_settings.readers()),
        **_copies(),
    }


def stale() -> list[str]:
    """Return the generated files that are missing, differ, or should not be there."""
    wanted = files()
    lagging = [name for name, text in wanted.items() if _text(CHART / name) != text]
    there = {str(path.relative_to(CHART)) for path in (CHART / "files").rglob("*.*")}
    return sorted([*lagging, *(there - wanted.keys())])


def _copies() -> dict[str, str]:
    return {
        target.format(name=path.name): path.read_text(encoding="utf-8")
        for pattern, target in _COPIES.items()
        for path in sorted(OBSERVABILITY.glob(pattern))
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(
    *,
    check: Annotated[bool, typer.Option(help="Change nothing; fail if a file is stale.")] = False,
) -> None:
    """Write the chart's generated files, or tell whether they are as they should be."""
    lagging = stale()
    if check and lagging:
        typer.echo(f"{', '.join(lagging)} lag behind; run `{COMMAND}`", err=True)
        raise typer.Exit(1)
    wanted = files()
    for name in lagging:
        path = CHART / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], encoding="utf-8")
            typer.echo(f"written: {name}")
        else:
            path.unlink()
            typer.echo(f"removed: {name}")


if __name__ == "__main__":
    typer.run(main)
