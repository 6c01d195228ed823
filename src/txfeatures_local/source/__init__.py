"""The source on a laptop: an HTTP server that answers, and a websocket that pushes, as the live do.

It shows a recording (:func:`txfeatures.archive.recording.read`) or an endless simulation
(:func:`txfeatures_local.source.simulation.simulate`), and fails as the live one
fails (:mod:`txfeatures_local.source.faults`).
"""

from txfeatures_local.source.faults import Faults
from txfeatures_local.source.replay_clock import ClockMode
from txfeatures_local.source.server import SourceServer
from txfeatures_local.source.simulation import simulate

__all__ = ["ClockMode", "Faults", "SourceServer", "simulate"]
