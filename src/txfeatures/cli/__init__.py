"""The command ``txfeatures``.

``bootstrap`` and ``features`` run in every installation. The other subcommands are entry
points ``txfeatures.commands``, whose dependencies a production image may lack. Commands
import slow libraries when they are called.
"""

import sys
from importlib.metadata import entry_points

import typer

from txfeatures.cli.bootstrap import bootstrap
from txfeatures.cli.features import features
from txfeatures.domain.errors import TxFeaturesError

PLUGINS = "txfeatures.commands"


def create_app() -> typer.Typer:
    """Return the command with every installed subcommand."""
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
        except ModuleNotFoundError:  # an image without the extra of this command
            continue
        app.command(plugin.name)(command)
    return app


def main() -> None:
    """Run the command; print a failure as one sentence on standard error and exit with 1."""
    try:
        create_app()()
    except TxFeaturesError as error:
        print(f"txfeatures: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
