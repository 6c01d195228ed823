"""aggregator: first sightings in, features per minute out.

Exactly once, for read-committed consumers: folds, rows and offsets are one Kafka
transaction in each of its two stages.
"""

from contextlib import ExitStack
from functools import partial

from txfeatures.domain.topics import DEDUPED
from txfeatures.kafka.streaming import worker
from txfeatures.process.declared import load_features
from txfeatures.process.runtime import Runtime
from txfeatures.process.shell import Program, serve
from txfeatures_aggregator.app import NAME, create_app
from txfeatures_aggregator.settings import Settings


def build(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    """Return the program that runs the app, as many partitions wide as ``deduped``."""
    app = partial(create_app, declaration=load_features(settings.features))
    return worker(app, settings, runtime, stack, keyed_by=DEDUPED)


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve(NAME, Settings, build)
