"""dedup: transactions in, the first sighting of each out.

Exactly once, for readers that read committed: what it forwards, what it remembers and
how far it has read are one Kafka transaction.
"""

from txfeatures.domain.topics import RAW
from txfeatures.kafka.streaming import serve
from txfeatures_dedup.app import NAME, create_app
from txfeatures_dedup.settings import Settings


def main() -> int:
    """Run until told to stop; return the exit code."""
    return serve(NAME, Settings, create_app, keyed_by=RAW)
