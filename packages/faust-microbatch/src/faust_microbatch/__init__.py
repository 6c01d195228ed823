"""Faust on librdkafka, a batch at a time, exactly once; see README.md."""

from faust_microbatch.engine.config import Config
from faust_microbatch.engine.crash import CrashedError
from faust_microbatch.engine.effects import ProcessEffects, own_process
from faust_microbatch.engine.records import Batch, Outgoing, Record, Sendable
from faust_microbatch.engine.sensor import Sensor
from faust_microbatch.engine.skip import Skip
from faust_microbatch.engine.stores import Change, DictStore, Store
from faust_microbatch.errors import MicrobatchError
from faust_microbatch.faust.app import App, create_app
from faust_microbatch.faust.tables import Part, Table

__all__ = [
    "App",
    "Batch",
    "Change",
    "Config",
    "CrashedError",
    "DictStore",
    "MicrobatchError",
    "Outgoing",
    "Part",
    "ProcessEffects",
    "Record",
    "Sendable",
    "Sensor",
    "Skip",
    "Store",
    "Table",
    "create_app",
    "own_process",
]
