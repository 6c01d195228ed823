"""dedup: transactions in, the first sighting of each out.

Exactly once, for readers that read committed: what it forwards, what it remembers and
how far it has read are one Kafka transaction.
"""

from services.dedup.app import NAME, create_app
from services.dedup.settings import Settings
from txfeatures.streaming import serve
from txfeatures.topics import RAW


def main() -> int:
    """Run until told to stop; return the exit code."""
    return serve(NAME, Settings, create_app, keyed_by=RAW)
