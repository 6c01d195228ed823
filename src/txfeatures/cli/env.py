"""``txfeatures env``: the settings of a running demo, for a shell."""

import json
import shlex

import typer

from txfeatures.cli.options import AsJson
from txfeatures.cli.running_demos import choose, running


def env(
    *,
    as_json: AsJson = False,
) -> None:
    """Print the settings of the running demo, for a shell.

    They lead commands, notebooks and boto3 to it. bash, zsh and fish read them.
    """
    used = [demo for demo in running() if demo.is_used]
    environment = dict((used[0] if used else choose(None)).environment)
    if as_json:
        typer.echo(json.dumps(environment))
    else:
        for name, value in environment.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
