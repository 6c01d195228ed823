"""Faust for dedup and aggregator: the app, its tables and its worker, set for this pipeline.

Topics, changelogs included, are made by ``txfeatures bootstrap``, never by Faust.
Keys and values pass as bytes; the services decode them, so that what can't be read
reaches the dead letter topic as it came.
"""

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, Protocol, TypeVar

import faust
import msgspec

from txfeatures.errors import InvalidMessageError, TxFeaturesError
from txfeatures.kafka import topic_partitions
from txfeatures.logs import configure_logging, get_logger
from txfeatures.metrics import Metrics
from txfeatures.model import OutgoingRecord, Record
from txfeatures.runtime import Runtime, operations_server
from txfeatures.settings import KafkaServiceSettings, KafkaSettings, ServiceSettings, load
from txfeatures.topics import MAX_RECORD_BYTES

V = TypeVar("V", bound=msgspec.Struct)
S = TypeVar("S", bound=KafkaServiceSettings)
S_contra = TypeVar("S_contra", bound=KafkaServiceSettings, contravariant=True)

log = get_logger(__name__)


def create_app(name: str, kafka: KafkaSettings, *, partitions: int) -> faust.App:
    """Return a Faust app whose name is its consumer group.

    Args:
        name: Application id; prefix of its changelog topics.
        kafka: How to reach the brokers.
        partitions: Default of its tables: that of the topic they are keyed by.
    """
    return faust.App(
        name,
        broker=";".join(f"aiokafka://{b}" for b in kafka.bootstrap_servers.split(",")),
        autodiscover=False,
        store="memory://",
        topic_partitions=partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        broker_commit_interval=1.0,
        broker_max_poll_records=1000,
        broker_session_timeout=10.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_RECORD_BYTES,
        producer_acks=-1,
        producer_max_request_size=MAX_RECORD_BYTES,
        producer_compression_type="lz4",
        producer_request_timeout=30.0,
        stream_ack_cancelled_tasks=False,
    )


def topic(app: faust.App, *names: str) -> Any:
    """Return a channel of ``names`` whose keys and values are bytes."""
    return app.topic(
        *names,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )


def table(app: faust.App, name: str, *, partitions: int) -> Any:
    """Return a table whose keys and values are bytes."""
    return app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes)


class StructTable(MutableMapping[int, V], Generic[V]):
    """A part of a Faust table, read and written as typed values.

    Args:
        table: A table of bytes; ``prefix`` tells this part's keys from the others'.
        value_type: Type of the values; stored as JSON.
    """

    def __init__(self, table: MutableMapping[bytes, bytes], value_type: type[V], prefix: str = ""):
        self._table = table
        self._prefix = prefix.encode()
        self._decoder = msgspec.json.Decoder(value_type)

    def __getitem__(self, key: int) -> V:
        return self._decoder.decode(self._table[self._key(key)])

    def __setitem__(self, key: int, value: V) -> None:
        self._table[self._key(key)] = msgspec.json.encode(value)

    def __delitem__(self, key: int) -> None:
        del self._table[self._key(key)]

    def __iter__(self) -> Iterator[int]:
        size = len(self._prefix)
        return iter([int(key[size:]) for key in self._table if key.startswith(self._prefix)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, int) and self._key(key) in self._table

    def _key(self, key: int) -> bytes:
        return self._prefix + str(key).encode()


def apply(state: MutableMapping[int, V], changed: Mapping[int, V], gone: Iterable[int]) -> None:
    """Write what a decision changed, delete what it forgot."""
    state.update(changed)
    for key in gone:
        state.pop(key, None)


def to_record(message: Any) -> Record:
    """Return a Faust message as a record; its timestamp in exact milliseconds."""
    headers = message.headers or ()
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        timestamp_ms=round(message.timestamp * 1000),
        headers=tuple(headers.items() if isinstance(headers, Mapping) else headers),
    )


@contextmanager
def crash_only() -> Iterator[None]:
    """End the process at once if the body raises: whatever an agent does goes in here.

    Faust acknowledges the event of an agent that raised, and starts the agent again; its
    offset would be committed and the record lost. A process that is gone commits nothing.
    """
    try:
        yield
    except Exception:
        log.exception("agent_crashed")
        logging.shutdown()
        os._exit(1)


async def send(
    channels: Mapping[str, Any], records: Sequence[OutgoingRecord], *, metrics: Metrics
) -> None:
    """Send ``records``, each to the channel of its topic; await and count each acknowledgement."""
    for record in records:
        sent = await channels[record.topic].send(
            key=record.key,
            value=record.value,
            partition=record.partition,
            # Faust cuts the product with 1000 to an integer; the half keeps it exact.
            timestamp=(record.timestamp_ms + 0.5) / 1000,
            headers=list(record.headers),
        )
        await sent
        metrics.count_flow("out", record.topic, [record.size_bytes])


def count_dead(metrics: Metrics, dead: Sequence[tuple[Record, InvalidMessageError]]) -> None:
    """Count and log what goes to a dead letter topic."""
    for record, error in dead:
        metrics.count("dlq_records_total", reason=error.reason)
        log.warning(
            "dead_letter",
            reason=error.reason,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )


class CreateApp(Protocol[S_contra]):
    """A service's ``create_app``."""

    def __call__(self, settings: S_contra, *, partitions: int, metrics: Metrics) -> faust.App:
        """Return the app, whose tables have as many partitions as the topic they are keyed by."""
        ...


def serve(name: str, settings_type: type[S], create_app: CreateApp[S], *, keyed_by: str) -> int:
    """Run a Faust service as the environment says; return its exit code.

    Args:
        name: The service's name.
        settings_type: Its settings.
        create_app: Makes its app.
        keyed_by: The topic that decides how many partitions its tables have.
    """
    try:
        settings = load(settings_type)
        configure_logging(settings.log, service=name)
        runtime = Runtime(metrics=Metrics(name))
        partitions = topic_partitions(settings.kafka, keyed_by)
        app = create_app(settings, partitions=partitions, metrics=runtime.metrics)
        return run_worker(
            app, settings=settings, runtime=runtime, ready=f"partitions of {keyed_by}"
        )
    except TxFeaturesError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return 1


def run_worker(app: faust.App, *, settings: ServiceSettings, runtime: Runtime, ready: str) -> int:
    """Run ``app`` until a signal, with the operations endpoints; return the exit code.

    Args:
        app: The app to run.
        settings: Where to listen.
        runtime: Health and metrics.
        ready: What readiness waits for until partitions are assigned and tables recovered.
    """
    runtime.health.wait_for(ready)

    @app.on_rebalance_complete.connect(weak=False)
    async def on_rebalance_complete(*_: object, **__: object) -> None:
        runtime.health.has(ready)

    worker = faust.Worker(app, override_logging=False, redirect_stdouts=False, quiet=True)
    with (
        TemporaryDirectory(prefix=f"txfeatures-{app.conf.id}-") as directory,
        operations_server(settings.http_host, settings.http_port, runtime),
    ):
        app.conf.datadir = Path(directory)  # Faust makes it, although the tables live in memory
        try:
            worker.execute_from_commandline()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 1
    return 1
