"""Run the local AWS until a signal: ``python -m featurestore_local --port 5000``."""

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from featurestore_local.errors import LocalStoreError
from featurestore_local.server import LocalAws


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
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
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
    except LocalStoreError as error:
        typer.echo(str(error), err=True)
        sys.exit(1)


def run() -> None:
    """Run the command."""
    typer.run(main)


if __name__ == "__main__":
    run()
