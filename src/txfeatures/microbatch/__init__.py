"""Faust on librdkafka, a batch at a time, exactly once; see README.md."""

from txfeatures.microbatch.app import App, create_app
from txfeatures.microbatch.config import Config
from txfeatures.microbatch.crash import Crash
from txfeatures.microbatch.records import Batch, Outgoing, Record
from txfeatures.microbatch.sensor import Sensor
from txfeatures.microbatch.stores import DictStore, Store
from txfeatures.microbatch.tables import Part, Table

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
