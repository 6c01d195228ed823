"""The command ``txfeatures``.

Its own subcommands run wherever the library is; ``demo`` and ``record`` come from
packages that a production image may lack, by the entry points ``txfeatures.commands``.
What takes long to load is imported by the commands when they are called.
"""

import sys
from importlib.metadata import entry_points

import typer

from txfeatures.cli.bootstrap import bootstrap
from txfeatures.cli.features import features
from txfeatures.domain.errors import TxFeaturesError

PLUGINS = "txfeatures.commands"


def create_app() -> typer.Typer:
    """Return the command with every subcommand that is installed."""
    app = typer.Typer(
        name="txfeatures",
        help="Near-real-time features from live Bitcoin transactions, in SageMaker Feature Store.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.command()(bootstrap)
    app.command()(features)
    for plugin in sorted(entry_points(group=PLUGINS), key=lambda point: point.name):
        try:
            command = plugin.load()
        except ModuleNotFoundError:  # an image without the extra that this command needs
            continue
        app.command(plugin.name)(command)
    return app


def main() -> None:
    """Run the command; a failure is one sentence on standard error and exit code 1."""
    try:
        create_app()()
    except TxFeaturesError as error:
        print(f"txfeatures: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
