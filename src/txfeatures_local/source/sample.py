"""Write the recording in ``examples/``: ``python -m txfeatures_local.source.sample FILE``.

It holds 15 minutes of a quiet network across the turn of an hour, with one burst of mints. The
clock and the seed are fixed, so that every run writes the same transactions.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

from txfeatures.archive.recording import Arrival, RecordingWriter
from txfeatures.process.clock import ManualClock
from txfeatures_local.source.simulation import simulate

_START_S = 1_729_334_970  # 2024-10-19 10:49:30
_DURATION_S = 14 * 60
_RATE_PER_S = 0.4
_SEED = 16


def sample() -> Iterator[Arrival]:
    """Yield the recording's transactions."""
    arrivals = simulate(clock=ManualClock(_START_S), seed=_SEED, rate_per_s=_RATE_PER_S)
    end_s = _START_S + _DURATION_S
    return itertools.takewhile(lambda arrival: arrival.arrived_at < end_s, arrivals)


def main() -> None:
    """Write the recording to the file that the command line names, which is replaced."""
    path = Path(sys.argv[1])
    path.unlink(missing_ok=True)
    with RecordingWriter(path) as recording:
        recording.write(sample())


if __name__ == "__main__":
    main()
