"""The group of all subcommands, of which only the one that is called is loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperGroup

from txfeatures.cli.catalogue import CATALOGUE, Entry

PLUGINS = "txfeatures.commands"

Loader = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """A subcommand that can be listed before it is loaded."""

    summary: str
    load: Loader
    entry: Entry | None = None


def subcommands() -> dict[str, Subcommand]:
    """Return every installed subcommand by name."""
    found: dict[str, Subcommand] = {}
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda point: point.name):
        entry = CATALOGUE.get(plugin.name)
        if entry is None:
            found |= _of_another_package(plugin)
        elif entry.is_installed:
            found[plugin.name] = Subcommand(summary=entry.summary, load=plugin.load, entry=entry)
    return found


class Subcommands(TyperGroup):
    """The subcommands; one is loaded when it is called or its own help is shown."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in order."""
        del ctx
        return list(subcommands())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load a subcommand; None if there is none of that name."""
        del ctx
        found = subcommands().get(cmd_name)
        if found is None:
            return None
        loaded = found.load()
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.callback()(lambda: None)  # so that it stays a group, whatever it holds
        if isinstance(loaded, typer.Typer):
            app.add_typer(loaded, name=cmd_name)
        else:
            app.command(cmd_name)(loaded)
        command = typer.main.get_group(app).commands[cmd_name]
        if found.entry is not None:
            _teach(command, found.entry)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of the subcommands without loading any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in subcommands().items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the options and subcommands that begin with ``incomplete``; load none."""
        from typer._click.shell_completion import CompletionItem

        options = (
            super(TyperGroup, self).shell_complete(ctx, incomplete) if incomplete[:1] == "-" else []
        )
        names = (n for n in subcommands().items() if n[0].startswith(incomplete))
        return [*options, *(CompletionItem(name, help=each.summary) for name, each in names)]


def _of_another_package(plugin: EntryPoint) -> dict[str, Subcommand]:
    """Load a command that the catalogue lacks; it is left out if its packages are."""
    try:
        loaded = plugin.load()
    except ModuleNotFoundError:
        return {}
    summary = (getattr(loaded, "__doc__", None) or "").strip().partition("\n")[0]
    return {plugin.name: Subcommand(summary=summary, load=lambda: loaded)}


def _teach(command: Any, entry: Entry) -> None:
    command.epilog = _epilog(entry.example, entry.exits)
    for name, child in getattr(command, "commands", {}).items():
        child.epilog = _epilog(entry.examples.get(name, entry.example), entry.exits)


def _epilog(example: str, exits: str) -> str:
    return f"\b\nExample:\n  {example}\n\nExit codes: {exits}."
