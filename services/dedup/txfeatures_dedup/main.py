"""dedup: transactions in, the first sighting of each out.

Exactly once, for read-committed consumers: the records it forwards, the hashes it remembers
and its offsets are one Kafka transaction.
"""

from contextlib import ExitStack

from txfeatures.domain.topics import RAW
from txfeatures.kafka.streaming import worker
from txfeatures.process.runtime import Runtime
from txfeatures.process.shell import Program, serve
from txfeatures_dedup.app import NAME, create_app
from txfeatures_dedup.settings import Settings


def build(settings: Settings, runtime: Runtime, stack: ExitStack) -> Program:
    """Return the program that runs the app, as many partitions wide as ``raw``."""
    return worker(create_app, settings, runtime, stack, keyed_by=RAW)


def main() -> int:
    """Run until stopped; return the exit code."""
    return serve(NAME, Settings, build)
