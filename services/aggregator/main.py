"""aggregator: first sightings in, features per minute out.

On stock Faust it is at least once: after a crash a transaction may be folded twice.
"""

import sys

from services.aggregator.app import NAME, create_app
from services.aggregator.settings import Settings
from txfeatures.errors import TxFeaturesError
from txfeatures.kafka import topic_partitions
from txfeatures.logs import configure_logging
from txfeatures.metrics import Metrics
from txfeatures.runtime import Runtime
from txfeatures.settings import load
from txfeatures.streaming import run_worker
from txfeatures.topics import DEDUPED


def main() -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = load(Settings)
        configure_logging(settings.log, service=NAME)
        runtime = Runtime(metrics=Metrics(NAME))
        partitions = topic_partitions(settings.kafka, DEDUPED)
        app = create_app(settings, partitions=partitions, metrics=runtime.metrics)
        return run_worker(app, settings=settings, runtime=runtime, ready="partitions of deduped")
    except TxFeaturesError as error:
        print(f"{NAME}: {error}", file=sys.stderr)  # noqa: T201
        return 1
