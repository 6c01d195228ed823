"""Run the local AWS until a signal: ``featurestore-local --port 5000``."""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from featurestore_local.errors import LocalStoreError
from featurestore_local.server import LocalAws


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve S3, Glue, IAM, SageMaker Feature Store and more on one port."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        with LocalAws(**vars(options)) as aws:
            sys.stdout.write(
                f"AWS_ENDPOINT_URL={aws.endpoint_url} AWS_DEFAULT_REGION={aws.region}\n"
            )
            sys.stdout.flush()
            stop.wait()
    except LocalStoreError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="featurestore-local",
        description=main.__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=5000, help="port to listen on; 0 chooses a free one")
    add("--region", default="eu-west-1", help="the only region served")
    add(
        "--offline-delay-s",
        type=_at_least(0.05),
        default=1.0,
        help="seconds until offline rows are in S3",
    )
    add(
        "--settling-s",
        type=_at_least(0.0),
        default=0.2,
        help="seconds that changes to feature groups take",
    )
    add("--journal", type=Path, help="file that keeps the state across restarts")
    return parser


def _at_least(minimum: float) -> Callable[[str], float]:
    def seconds(text: str) -> float:
        if (value := float(text)) < minimum:
            raise argparse.ArgumentTypeError(f"{text} is less than {minimum}")
        return value

    return seconds


if __name__ == "__main__":
    main()
