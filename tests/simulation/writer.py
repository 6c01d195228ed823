"""fs_writer: its two steps on topics and stores in memory."""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from tests.simulation.broker import Crashed, Fault, Partition
from tests.simulation.world import World
from tests.support.declared import FEATURES
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.skips import Skip
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import AGGREGATED, DEDUPED, MAX_RECORD_BYTES
from txfeatures.feature_store.writer import Outcome
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures_fs_writer import archive_step, features_step
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.logic import CutRules, Put
from txfeatures_fs_writer.ports import OnPartitions, StoreUnavailableError

RULES = CutRules(bucket_s=60, max_rows=5, max_bytes=10**6)
METRICS = Metrics("fs_writer")


class Source:
    """The only member of a group, in the place of `KafkaSource`."""

    def __init__(
        self,
        world: World,
        topic: str,
        offsets: dict[Partition, int],
        fault: Fault,
        on_assigned: OnPartitions,
    ) -> None:
        self._world = world
        self._topic = topic
        self._committed = offsets
        self._positions = dict(offsets)
        self._fault = fault
        self._on_assigned: OnPartitions | None = on_assigned

    def poll(self, *, max_records: int, timeout_s: float) -> list[Record]:
        """Return the next committed records."""
        self._fault("poll")
        count = self._world.broker.partitions[self._topic]
        if self._on_assigned is not None:
            self._on_assigned({(self._topic, number) for number in range(count)})
            self._on_assigned = None
        found: list[Record] = []
        for number in range(count):
            partition = (self._topic, number)
            log = self._world.broker.logs[partition]
            position = self._positions.get(partition, 0)
            while position < log.stable and len(found) < max_records:
                entry = log[position]
                if entry.is_visible:
                    found.append(
                        Record(
                            topic=self._topic,
                            partition=number,
                            offset=position,
                            key=entry.key,
                            value=entry.value,
                            timestamp_ms=entry.timestamp_ms,
                            headers=tuple(entry.headers),
                        )
                    )
                position += 1
            self._positions[partition] = position
        return found

    def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Commit; the call may fail before or after it had its effect."""
        self._fail()
        self._committed.update(next_offsets)
        self._fail()

    def _fail(self) -> None:
        self._fault("commit offsets")
        if self._world.random.random() < self._world.faults.failure:
            raise TransientError("simulated")


class FeatureStore:
    """Both stores, by the rule of PutRecord; a call may fail before or after it had its effect."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.online: dict[str, Mapping[str, str]] = {}
        self.offline: list[Mapping[str, str]] = []

    def put(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        """Put each, or fail."""
        return [self._put(put) for put in puts]

    def _put(self, put: Put) -> Outcome:
        world = self._world
        chance = world.random.random() / 3
        failed = StoreUnavailableError("ThrottlingException", "simulated")
        if chance < world.faults.failure:
            return failed
        minute, at = put.values["tx_minute"], float(put.values["event_time"])
        held = self.online.get(minute)
        if "OnlineStore" in put.targets and (held is None or at > float(held["event_time"])):
            self.online[minute] = put.values
        if "OfflineStore" in put.targets:
            self.offline.append(put.values)
        return failed if chance > 1 / 3 - world.faults.failure else None


class Archive:
    """A bucket; a call may fail before or after it had its effect."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.objects: dict[str, bytes] = {}

    def put(self, name: ObjectName, body: bytes, *, rows: int) -> None:
        """Store an object, or fail."""
        random, failure = self._world.random, self._world.faults.failure
        if random.random() < failure:
            raise StoreUnavailableError("SlowDown", "simulated")
        self.objects[name.key] = body
        if random.random() < failure:
            raise StoreUnavailableError("RequestTimeout", "simulated")

    def has_without_topic(self, name: ObjectName, first: Record) -> bool:
        """Return False: there was no earlier release."""
        return False

    def note(self, skip: Skip) -> None:
        """Refuse: no record is gone before it is read."""
        raise AssertionError(skip)


class Inline(Executor):
    """An executor that works at once."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Do the work."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*arguments, **options))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future


class DeadLetters:
    """A dead letter topic that must stay empty."""

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Refuse: the simulated source sends nothing unreadable."""
        raise AssertionError(records)


class Writer:
    """One of fs_writer's steps, opened anew after each crash."""

    def __init__(self, world: World, name: str, open_step: Callable[..., Any], topic: str) -> None:
        self._world = world
        self._name = name
        self._open_step = open_step
        self._topic = topic
        self._offsets: dict[Partition, int] = {}
        self._step: Callable[[], None] | None = None

    def step(self) -> None:
        """Take a step, opening it first if need be."""
        fault = self._world.fault(self._name)

        def open_source(*, on_assigned: OnPartitions, **_: object) -> Source:
            return Source(self._world, self._topic, self._offsets, fault, on_assigned)

        runtime = Runtime(metrics=METRICS, clock=self._world.clock)
        try:
            if self._step is None:
                self._step = self._open_step(open_source, runtime)
            self._step()
        except TransientError:
            pass  # the supervisor calls again
        except Crashed:
            self._step = None

    @property
    def progress(self) -> object:
        """The committed offsets."""
        return dict(self._offsets)


def encode(rows: Sequence[Record]) -> bytes:
    """Take the place of Parquet, which takes a millisecond."""
    return json.dumps([(row.key or b"").decode() for row in rows]).encode()


def writers(world: World) -> tuple[FeatureStore, Archive, list[Writer]]:
    """Return the stores and the two steps that fill them."""
    store, archive = FeatureStore(world), Archive(world)

    def features(open_source: Any, runtime: Runtime) -> Any:
        return features_step.FeaturesStep(
            open_source=open_source,
            dead_letters=DeadLetters(),
            store=store,
            pool=Inline(),
            concurrency=2,
            max_records=50,
            dead_letter_limit=10,
            max_record_bytes=MAX_RECORD_BYTES,
            table_format="glue",
            freshness=Freshness(METRICS),
            runtime=runtime,
            features=FEATURES,
        )

    def archiving(open_source: Any, runtime: Runtime) -> Any:
        return archive_step.ArchiveStep(
            open_source=open_source,
            archive=archive,
            topic_id=lambda: "topic",
            rules=RULES,
            freshness=Freshness(METRICS),
            runtime=runtime,
        )

    return (
        store,
        archive,
        [
            Writer(world, "features", features, AGGREGATED),
            Writer(world, "archive", archiving, DEDUPED),
        ],
    )
