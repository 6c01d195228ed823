"""The process shell: the start, the run and the end that all services have in common."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from txfeatures.domain.errors import TxFeaturesError
from txfeatures.process.logs import configure_logging
from txfeatures.process.metrics import Metrics
from txfeatures.process.operations import operations_server
from txfeatures.process.runtime import Runtime, stop_on_signals
from txfeatures.process.settings import ServiceSettings, TracedServiceSettings, load
from txfeatures.process.telemetry import open_tracing
from txfeatures.process.tracing import OFF

S = TypeVar("S", bound=ServiceSettings)

Program = Callable[[], int]
"""Runs until the stop flag is set; returns the exit code."""

Build = Callable[[S, Runtime, ExitStack], Program]
"""Opens and wires a service; the stack closes what it opened when the program has ended."""


def serve(name: str, settings_type: type[S], build: Build[S]) -> int:
    """Run a service until it is stopped; return the exit code of its process.

    A failure at the start, or one that the program raises, is one sentence on standard
    error and exit code 1.

    Args:
        name: The service, as its metrics and its log call it.
        settings_type: Its settings, read from the environment.
        build: Makes its program.
    """
    try:
        settings = load(settings_type)
        configure_logging(settings.log, service=name)
        with ExitStack() as stack:
            tracing = OFF
            if isinstance(settings, TracedServiceSettings):
                tracing = stack.enter_context(open_tracing(settings.tracing, service=name))
            runtime = Runtime(metrics=Metrics(name), tracing=tracing)
            stop_on_signals(runtime.stop)
            program = build(settings, runtime, stack)
            # After the build: until then nothing is missing, and it would answer "ready".
            server = operations_server(settings.http_host, settings.http_port, runtime)
            stack.enter_context(server)
            return program()
    except TxFeaturesError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1
