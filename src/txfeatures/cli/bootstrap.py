"""``txfeatures bootstrap``: make the topics, the bucket and the feature group."""

import typer

from txfeatures.process.logs import configure_logging
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, stop_on_signals
from txfeatures.process.settings import load


def bootstrap() -> None:
    """Make the topics, the bucket and the feature group; what is there is left as it is."""
    from txfeatures.bootstrap import BootstrapSettings
    from txfeatures.bootstrap import bootstrap as make
    from txfeatures.process import aws

    settings = load(BootstrapSettings)
    aws.require_credentials(settings.aws)
    configure_logging(settings.log, service="bootstrap")
    runtime = Runtime(metrics=Metrics("bootstrap"))
    stop_on_signals(runtime.stop)
    make(settings, runtime=runtime, say=typer.echo)
