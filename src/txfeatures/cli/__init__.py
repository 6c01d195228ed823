"""The command ``txfeatures``.

Its subcommands are entry points ``txfeatures.commands``. Those whose packages an installation
lacks are left out. A subcommand is loaded when it is called, and imports slow libraries then.
"""

import os
import sys
import traceback
from typing import Annotated

import typer

from txfeatures import __version__
from txfeatures.cli.group import Subcommands
from txfeatures.domain.errors import TxFeaturesError

TRACEBACK = "TXFEATURES_TRACEBACK"

EPILOG = """\b
Examples:
  txfeatures demo                    the whole pipeline on this machine
  txfeatures --demo top              in a second terminal: what it does
  txfeatures COMMAND --help          options, an example and the exit codes

Exit codes: 0 done, 1 failed (audit: or something differs), 2 wrong usage. Settings are variables \
TXF_*; results go to standard output, progress and errors to standard error."""


def create_app() -> typer.Typer:
    """Return the command with every installed subcommand."""
    app = typer.Typer(
        name="txfeatures",
        cls=Subcommands,
        help="Near-real-time features from live Bitcoin transactions, in SageMaker Feature Store.",
        epilog=EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # Rich would triple the time to the first letter
    )
    app.callback()(choose_demo)
    return app


def _version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"txfeatures {__version__}")
        raise typer.Exit


def choose_demo(
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="Use the demo that runs on this machine.")
    ] = False,
    demo_port: Annotated[
        int | None, typer.Option(help="Use the demo whose api has this port.", metavar="PORT")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """Apply the options that stand before a subcommand."""
    del version
    if demo or demo_port is not None:
        from txfeatures.cli.running_demos import choose, use

        use(choose(demo_port))


def main() -> None:
    """Run the command; print a failure as one sentence on standard error and exit with 1."""
    try:
        create_app()()
    except TxFeaturesError as error:
        _fail(str(error))
    except Exception as error:  # noqa: BLE001 - a defect, too, ends in one sentence
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        _fail(
            f"a defect ({type(error).__name__}: {error}); please report it, with the traceback "
            f"that {TRACEBACK}=1 adds"
        )


def _fail(sentence: str) -> None:
    print(f"txfeatures: {sentence}", file=sys.stderr)  # noqa: T201
    sys.exit(1)
