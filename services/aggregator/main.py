"""aggregator: first sightings in, features per minute out.

On stock Faust it is at least once: after a crash a transaction may be folded twice.
"""

from services.aggregator.app import NAME, create_app
from services.aggregator.settings import Settings
from txfeatures.streaming import serve
from txfeatures.topics import DEDUPED


def main() -> int:
    """Run until told to stop; return the exit code."""
    return serve(NAME, Settings, create_app, keyed_by=DEDUPED)
