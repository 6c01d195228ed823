"""Faust on librdkafka, a batch at a time, exactly once; see README.md."""

from faust_microbatch.engine.config import Config
from faust_microbatch.engine.crash import Crash
from faust_microbatch.engine.records import Batch, Outgoing, Record
from faust_microbatch.engine.sensor import Sensor
from faust_microbatch.engine.stores import DictStore, Store
from faust_microbatch.faust.app import App, create_app
from faust_microbatch.faust.tables import Part, Table

__all__ = [
    "App",
    "Batch",
    "Config",
    "Crash",
    "DictStore",
    "Outgoing",
    "Part",
    "Record",
    "Sensor",
    "Store",
    "Table",
    "create_app",
]
