"""The command ``kafka-local``: brokers that run until Ctrl-C or SIGTERM."""

import argparse
import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

from kafka_local.clock import Clock, SystemClock
from kafka_local.embedded import EmbeddedKafka
from kafka_local.errors import LocalKafkaError
from kafka_local.lock import KAFKA_VERSION

_POLL_S = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the brokers; return 0 after Ctrl-C, or 1 with one sentence on stderr."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO)  # downloads, on stderr
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as opened:
            directory = options.data_dir or Path(
                opened.enter_context(tempfile.TemporaryDirectory(prefix="kafka-local-"))
            )
            kafka = EmbeddedKafka(directory, brokers=options.brokers, port=options.port)
            opened.enter_context(kafka)
            print(f"Kafka {KAFKA_VERSION} serves at {kafka.bootstrap_servers}", flush=True)  # noqa: T201
            watch(kafka, SystemClock())
    except KeyboardInterrupt:
        return 0
    except LocalKafkaError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kafka-local", description="Run Apache Kafka on this machine until Ctrl-C."
    )
    parser.add_argument(
        "--port", type=int, default=9092, help="port of the first broker; 0: free ports (9092)"
    )
    parser.add_argument("--brokers", type=int, default=1, help="number of brokers (1)")
    parser.add_argument(
        "--data-dir", type=Path, help="directory that keeps topics and records; default: none"
    )
    return parser


def watch(kafka: EmbeddedKafka, clock: Clock) -> NoReturn:
    """Wait for an interrupt.

    Raises:
        LocalKafkaError: A broker ended by itself.
    """
    never = threading.Event()
    while True:
        clock.wait(never, _POLL_S)
        for broker in kafka.brokers:
            if broker.pid is None:
                raise LocalKafkaError(
                    f"The broker at {broker.bootstrap_servers} ended by itself;"
                    f" its log was {broker.log_path}. Start again."
                )


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
