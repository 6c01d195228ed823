"""aggregator: first sightings in, features per minute out.

Exactly once, for readers that read committed: folds, rows and how far it has read are
one Kafka transaction in each of its two stages.
"""

from txfeatures.domain.topics import DEDUPED
from txfeatures.kafka.streaming import serve
from txfeatures_aggregator.app import NAME, create_app
from txfeatures_aggregator.settings import Settings


def main() -> int:
    """Run until told to stop; return the exit code."""
    return serve(NAME, Settings, create_app, keyed_by=DEDUPED)
