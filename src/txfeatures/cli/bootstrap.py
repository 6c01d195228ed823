"""``txfeatures bootstrap``: create the topics, the bucket, the feature group and the table."""

import json

import typer

from txfeatures.cli.options import AsJson
from txfeatures.process.logs import configure_logging
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, stop_on_signals
from txfeatures.process.settings import load


def bootstrap(*, as_json: AsJson = False) -> None:
    """Create the topics, the bucket, the feature group and the archive's table if missing."""
    from txfeatures.bootstrap import BootstrapSettings
    from txfeatures.bootstrap import bootstrap as create
    from txfeatures.process import aws

    settings = load(BootstrapSettings)
    aws.require_credentials(settings.aws)
    configure_logging(settings.log, service="bootstrap")
    runtime = Runtime(metrics=Metrics("bootstrap"))
    stop_on_signals(runtime.stop)
    create(settings, runtime=runtime, say=_say_json if as_json else typer.echo)


def _say_json(sentence: str) -> None:
    typer.echo(json.dumps({"message": sentence}))
