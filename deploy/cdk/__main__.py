"""The cloud assembly of a stage: ``python -m deploy.cdk mine.toml``, which is CDK's ``--app``."""

import os
from pathlib import Path
from typing import Annotated

import typer

from deploy.cdk.app import build
from deploy.cdk.settings import load
from txfeatures.domain.errors import SettingsError

OUT = "CDK_OUTDIR"
"""The variable in which CDK's command names the directory that it reads."""


def main(
    settings: Annotated[Path, typer.Argument(help="TOML file of the stage.")],
    *,
    digests: Annotated[
        Path | None, typer.Option(help="JSON file with the digest of each image.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Directory of the result.")] = None,
) -> None:
    """Write the cloud assembly of a stage; needs neither network nor credentials."""
    try:
        app = build(load(settings, digests), out or Path(os.environ.get(OUT, "cdk.out")))
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    app.synth()


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(main)
    app()
