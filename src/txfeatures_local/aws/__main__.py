"""Run the local AWS until told to stop: ``python -m txfeatures_local.aws --port 5000``."""

import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from txfeatures.errors import FatalError
from txfeatures.logs import configure_logging
from txfeatures.settings import LogSettings, load
from txfeatures_local.aws.server import LocalAws


def main(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 5000,
    region: Annotated[str, typer.Option(help="The one region served.")] = "eu-west-1",
    offline_delay_s: Annotated[
        float, typer.Option(min=0.05, help="Seconds until offline rows are in S3.")
    ] = 1.0,
    settling_s: Annotated[
        float, typer.Option(min=0.0, help="Seconds that changes of feature groups take.")
    ] = 0.2,
    journal: Annotated[
        Path | None, typer.Option(help="File that keeps what is stored; else it is forgotten.")
    ] = None,
) -> None:
    """Serve S3, Glue, IAM, SageMaker Feature Store and more on one port."""
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    try:
        configure_logging(load(LogSettings), service="local_aws")
        with LocalAws(
            host=host,
            port=port,
            region=region,
            offline_delay_s=offline_delay_s,
            settling_s=settling_s,
            journal=journal,
        ) as aws:
            typer.echo(f"AWS_ENDPOINT_URL={aws.endpoint_url} AWS_DEFAULT_REGION={aws.region}")
            stop.wait()
    except FatalError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
