"""The commands that the documentation shows are ones that the command line takes."""

from importlib.util import find_spec
from typing import Any

import pytest
import typer

from tests.support.documented import Shown, shown
from txfeatures.cli import create_app

SHOWN = list(shown())


def parse(arguments: list[str]) -> None:
    """Parse a command as the command line does, and run nothing."""
    command: Any = typer.main.get_command(create_app())
    context = command.make_context("txfeatures", arguments)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


def test_all_pages_are_read() -> None:
    pages = {command.page for command in SHOWN}
    assert pages >= {"docs/how-to/backfill.md", "docs/how-to/studio.md", "docs/how-to/features.md"}
    assert {command.program for command in SHOWN} >= {"txfeatures", "txfeatures_poller"}


@pytest.mark.parametrize("command", SHOWN, ids=str)
def test_a_command_is_taken(command: Shown) -> None:
    if command.program == "txfeatures":
        parse(list(command.arguments))
    else:
        assert find_spec(command.program)


@pytest.mark.parametrize(
    "arguments", [["audits"], ["audit", "--starts"], ["dlq", "replay", "--rate", "fast"]]
)
def test_a_wrong_command_is_not(arguments: list[str]) -> None:
    with pytest.raises(typer._click.exceptions.UsageError):
        parse(arguments)
