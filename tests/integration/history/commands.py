"""The commands over the past, run in this process."""

import json
from collections.abc import Callable
from typing import Any

import typer
from typer.testing import CliRunner, Result

from txfeatures.cli.audit import audit
from txfeatures.cli.backfill import backfill
from txfeatures.cli.bootstrap import bootstrap
from txfeatures.cli.compact import compact
from txfeatures.cli.dataset import dataset
from txfeatures.cli.doctor import doctor

COMMANDS: dict[str, Callable[..., None]] = {
    "audit": audit,
    "backfill": backfill,
    "bootstrap": bootstrap,
    "compact": compact,
    "dataset": dataset,
    "doctor": doctor,
}


def command(name: str, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(COMMANDS[name])
    return CliRunner().invoke(app, list(arguments))


def audited(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = command("audit", "--json", *arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)
