"""Faust for dedup and aggregator: the app on `faust_microbatch`, and its worker.

Topics, changelogs included, are made by ``txfeatures bootstrap``, never by Faust.
Keys and values pass as bytes; the services decode them, so that unreadable records reach
the dead letter topic byte for byte.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, Protocol, TypeVar, cast

import faust
import faust_microbatch as microbatch
import msgspec

from txfeatures.domain.errors import FatalError
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import connection, topic_partitions
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import KafkaSettings, StatefulServiceSettings
from txfeatures.process.shell import Program
from txfeatures.process.tracing import Tracing

V = TypeVar("V", bound=msgspec.Struct)
S = TypeVar("S", bound=StatefulServiceSettings)
S_contra = TypeVar("S_contra", bound=StatefulServiceSettings, contravariant=True)

log = get_logger(__name__)


def create_app(name: str, settings: StatefulServiceSettings, *, metrics: Metrics) -> microbatch.App:
    """Return a Faust app whose agents receive batches, exactly once.

    Args:
        name: Application id: its consumer group, and the prefix of its changelog topics.
        settings: Brokers, and this worker's name.
        metrics: Counts the worker's work.
    """
    return microbatch.create_app(
        microbatch.Config(
            group=name,
            bootstrap_servers=settings.kafka.bootstrap_servers,
            instance_id=settings.instance_id,
            commit_interval_s=settings.commit_interval_s,
            max_record_bytes=settings.kafka.max_record_bytes,
            librdkafka=connection(settings.kafka),
        ),
        sensor=MetricsSensor(metrics),
        effects=microbatch.own_process(),
    )


def table(
    app: microbatch.App,
    name: str,
    *,
    partitions: int,
    store: Callable[[], microbatch.Store[Any]] = microbatch.DictStore,
) -> microbatch.Table:
    """Return a table of ``app``; ``store`` makes the store of a partition."""
    found: microbatch.Table = app.Table(name, partitions=partitions, partition_store=store)
    return found


class MetricsSensor(microbatch.Sensor):
    """Turns the worker's measurements into metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def on_read(self, topic: str, records: int, size_bytes: int) -> None:
        """Count a batch that was read."""
        self._flow("in", topic, records, size_bytes)

    def on_sent(self, topic: str, records: int, size_bytes: int) -> None:
        """Count records that were committed to a topic."""
        self._flow("out", topic, records, size_bytes)

    def on_commit(self, batches: int, duration_s: float) -> None:  # noqa: ARG002
        """Count a transaction and time it."""
        self._metrics.count("transactions_total", outcome="committed")
        self._metrics.observe("commit_duration_seconds", duration_s)

    def on_abort(self, reason: str) -> None:  # noqa: ARG002
        """Count a transaction that was aborted and is tried again."""
        self._metrics.count("transactions_total", outcome="aborted")

    def on_rebalance(self, partitions: int, pause_s: float) -> None:
        """Count a rebalance and how long nothing was worked on."""
        self._metrics.forget_partitions()
        self._metrics.observe("rebalance_pause_seconds", pause_s)
        log.info("rebalanced", partitions=partitions, pause_s=round(pause_s, 3))

    def on_recovery(self, records: int, duration_s: float) -> None:
        """Set the duration of a recovery."""
        self._metrics.set("recovery_seconds", duration_s)
        log.info("tables_recovered", records=records, duration_s=round(duration_s, 3))

    def on_skip(self, skip: microbatch.Skip) -> None:
        """Count and log records that were gone from their topic before they were read."""
        self._metrics.count("skipped_records_total", skip.records, topic=skip.topic)
        log.error(
            "records_skipped",
            topic=skip.topic,
            partition=skip.partition,
            committed_offset=skip.next_offset,
            first_offset=skip.first_offset,
            records=skip.records,
            reason=skip.reason,
        )

    def on_lag(self, topic: str, partition: int, records: int) -> None:
        """Set the number of records that lie ahead."""
        self._metrics.set("lag_records", records, topic=topic, partition=str(partition))

    def _flow(self, direction: str, topic: str, records: int, size_bytes: int) -> None:
        self._metrics.count("records_total", records, direction=direction, topic=topic)
        self._metrics.count("bytes_total", size_bytes, direction=direction, topic=topic)


class TracedSensor(MetricsSensor):
    """Turns a worker's measurements into metrics, and its commits into spans.

    A Kafka transaction holds batches of many traces, and is sampled by itself.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime.metrics)
        self._runtime = runtime

    def on_commit(self, batches: int, duration_s: float) -> None:
        """Count a transaction, time it and trace it."""
        super().on_commit(batches, duration_s)
        now_s = self._runtime.clock.now()
        self._runtime.tracing.past("commit", start_s=now_s - duration_s, end_s=now_s)


class StructTable(MutableMapping[int, V], Generic[V]):
    """A part of a table, read and written as typed values.

    Args:
        table: A mapping of bytes; ``prefix`` marks this part's keys.
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
    """Apply a decision to its table: write the changed keys, delete the forgotten ones."""
    state.update(changed)
    for key in gone:
        state.pop(key, None)


class Worker(faust.Worker):
    """Faust's worker for a service: no spinner, and no second's rest before it ends."""

    def __init__(self, app: faust.App) -> None:
        super().__init__(app, override_logging=False, redirect_stdouts=False, quiet=True)
        self.spinner = None

    async def _sentinel_task(self) -> None:
        """Return at once: everything was stopped and waited for before."""


def _partitions(settings: KafkaSettings, keyed_by: str) -> int:
    """Return the number of partitions of ``keyed_by``, which all topics that scale must have.

    State is kept by partition number: where one topic has more than another, keys have moved
    away from what is known of them, or records have no partition to go to.

    Raises:
        FatalError: There is no such topic, or another one has another number.
        TransientError: The brokers don't answer, or hide the topic.
    """
    found = KafkaAdmin(settings).partitions()
    if keyed_by not in found:  # absent, or hidden from this login
        return topic_partitions(settings, keyed_by)
    scaling = {
        topic.name: found[topic.name] for topic in TOPICS if topic.scales and topic.name in found
    }
    most = max(scaling.values())
    if fewer := sorted(name for name, count in scaling.items() if count < most):
        raise FatalError(
            f"partitions were added to some topics only, which moves keys away from their state:"
            f" stop the pollers, give {', '.join(fewer)} {most} partitions too (`kafka-topics"
            f" --alter`), set TXF_BOOTSTRAP_PARTITIONS={most}, run `txfeatures bootstrap`, and"
            " start again"
        )
    return found[keyed_by]


class CreateApp(Protocol[S_contra]):
    """A service's ``create_app``."""

    def __call__(
        self, settings: S_contra, *, partitions: int, metrics: Metrics, tracing: Tracing
    ) -> faust.App:
        """Return the app, whose tables have as many partitions as the topic they are keyed by."""
        ...


def worker(
    create_app: CreateApp[S],
    settings: S,
    runtime: Runtime,
    stack: ExitStack,
    *,
    keyed_by: str,
) -> Program:
    """Return the program that runs a Faust app until a signal.

    Args:
        create_app: Makes the app.
        settings: Its settings.
        runtime: Its health, metrics and traces; it is ready when partitions are assigned and
            their tables recovered.
        stack: Closes what the app needs while it runs.
        keyed_by: The topic that decides how many partitions its tables have.

    Raises:
        TransientError: The brokers don't answer.
        FatalError: There is no such topic, or topics that scale differ in their partitions.
    """
    ready = f"partitions of {keyed_by}"
    runtime.health.wait_for(ready)
    app = create_app(
        settings,
        partitions=_partitions(settings.kafka, keyed_by),
        metrics=runtime.metrics,
        tracing=runtime.tracing,
    )
    cast("microbatch.App", app).sensor = TracedSensor(runtime)

    @app.on_rebalance_complete.connect(weak=False)
    async def on_rebalance_complete(*_: object, **__: object) -> None:
        runtime.health.has(ready)

    directory = stack.enter_context(TemporaryDirectory(prefix=f"txfeatures-{app.conf.id}-"))
    app.conf.datadir = Path(directory)  # Faust makes it, although the tables live in memory

    def program() -> int:
        if runtime.stop.is_set():  # a signal during the start; from here on Faust handles them
            return 0
        try:
            Worker(app).execute_from_commandline()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else 1
        return 1

    return program
