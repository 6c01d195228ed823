"""dedup: transactions in, the first sighting of each out.

On stock Faust it is at least once: a crash may forward a transaction again that was
forwarded just before. It never drops one that was not forwarded.
"""

from services.dedup.app import NAME, create_app
from services.dedup.settings import Settings
from txfeatures.streaming import serve
from txfeatures.topics import RAW


def main() -> int:
    """Run until told to stop; return the exit code."""
    return serve(NAME, Settings, create_app, keyed_by=RAW)
