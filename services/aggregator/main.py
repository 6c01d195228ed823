"""aggregator: first sightings in, features per minute out.

Exactly once, for readers that read committed: folds, rows and how far it has read are
one Kafka transaction in each of its two stages.
"""

from services.aggregator.app import NAME, create_app
from services.aggregator.settings import Settings
from txfeatures.streaming import serve
from txfeatures.topics import DEDUPED


def main() -> int:
    """Run until told to stop; return the exit code."""
    return serve(NAME, Settings, create_app, keyed_by=DEDUPED)
