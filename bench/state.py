"""Costs of dedup's state: bytes per hash, recovery, memory over a day, and rebalances."""

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer
from kafka_local import EmbeddedKafka

from bench.cluster import PARTITIONS, Cluster
from bench.load import LIVE_PER_S, hashes, transactions
from bench.probe import Probe
from bench.worker import Worker
from txfeatures.domain.topics import RAW
from txfeatures.kafka.client import connection
from txfeatures.process.clock import Clock
from txfeatures.process.settings import KafkaSettings

DAY_H = 24
HOUR_S = 3600
REMEMBER_S = HOUR_S
"""Seconds that dedup remembers in the stage ``day``, a 24th of the day."""

SETTLE_S = 3.0
"""Undisturbed work between two disturbances."""

MIB = 2**20
_POLL_S = 0.1

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One figure of a stage without peers.

    Attributes:
        stage: Name of the stage.
        what: Name of the figure.
        value: The figure, in ``unit``.
    """

    stage: str
    what: str
    value: float
    unit: str


def measure_recovery(count: int, *, clock: Clock, say: Say) -> list[Measured]:
    """Measure the recovery of dedup after SIGKILL, with ``count`` hashes remembered."""
    with broker(clock) as (cluster, directory):
        say(f"recovery: loading {count:,} records")
        _load_hashes(cluster, count, clock)
        with Worker(cluster.bootstrap_servers, directory, clock) as worker:
            worker.wait_ready()
            say("recovery: dedup is reading them")
            _wait_until_read(cluster, clock)
            worker.kill()
        changelog = sum(
            file.stat().st_size for file in directory.rglob("dedup-seen-changelog-*/*.log")
        )
        with Worker(cluster.bootstrap_servers, directory, clock) as worker:
            # The group waits until the session of the killed worker has expired.
            recovered_s = worker.wait_ready()
            memory = worker.memory_bytes
            worker.stop()
        empty = _memory_when_empty(cluster, directory, clock)
    found = [
        ("hashes remembered", count, "hashes"),
        ("changelog per hash on the broker", changelog / count, "bytes"),
        ("memory per hash, after recovery", (memory - empty) / count, "bytes"),
        ("memory of an empty worker", empty / MIB, "MiB"),
        ("from the start of the process to ready, after SIGKILL", recovered_s, "s"),
    ]
    return [
        Measured(stage="recovery", what=what, value=value, unit=unit) for what, value, unit in found
    ]


def measure_day(hours: int, *, clock: Clock, say: Say) -> list[Measured]:
    """Measure the memory of dedup over ``hours`` of the feed, with an hour remembered."""
    with broker(clock) as (cluster, directory):
        count = hours * HOUR_S * LIVE_PER_S
        say(f"day: loading {count:,} records")
        cluster.fill(RAW, transactions(RAW, count))
        end = cluster.end(RAW)
        settings = {"TXF_DEDUP_REMEMBER_S": str(REMEMBER_S)}
        memory: list[tuple[float, int]] = []
        with Worker(cluster.bootstrap_servers, directory, clock, settings=settings) as worker:
            worker.wait_ready()
            say("day: dedup is reading it")
            done = 0
            while done < end:
                done = cluster.committed("dedup", RAW)
                memory.append((done / end, worker.memory_bytes))
                clock.wait(threading.Event(), _POLL_S)
            worker.stop()
    quarters = [
        max((size for share, size in memory if low < share <= low + 0.25), default=0)
        for low in (0.0, 0.25, 0.5, 0.75)
    ]
    return [
        Measured(stage="day", what="replayed", value=hours, unit="hours of the feed"),
        *(
            Measured(
                stage="day",
                what=f"largest memory in its {name} quarter",
                value=size / MIB,
                unit="MiB",
            )
            for name, size in zip(("first", "second", "third", "last"), quarters, strict=True)
        ),
    ]


def measure_rebalance(count: int, *, clock: Clock, say: Say) -> list[Measured]:
    """Measure the longest delay of a record in rebalances, with ``count`` hashes remembered."""
    found: list[tuple[str, float]] = []
    with broker(clock) as (cluster, directory):
        say(f"rebalance: loading {count:,} records")
        _load_hashes(cluster, count, clock)

        def worker(name: str, **settings: str) -> Worker:
            return Worker(cluster.bootstrap_servers, directory, clock, name=name, settings=settings)

        with worker("first") as first:
            first.wait_ready()
            _wait_until_read(cluster, clock)
            with Probe(cluster, clock) as probe:
                found.append(("nothing happens", probe.worst_s(SETTLE_S)))
                with worker("second") as second:
                    second.wait_ready()
                    found.append(("a worker joins", probe.worst_s(SETTLE_S)))
                    second.stop()
                    found.append(("it leaves, by SIGTERM", probe.worst_s(SETTLE_S)))
            first.stop()
        name = {"TXF_DEDUP_INSTANCE_ID": "bench-0"}
        with worker("static", **name) as static, Probe(cluster, clock) as probe:
            static.wait_ready()
            probe.worst_s(SETTLE_S)
            static.stop()
            with worker("static", **name) as again:
                again.wait_ready()
                found.append(("a named worker restarts, by SIGTERM", probe.worst_s(SETTLE_S)))
                again.kill()
                with worker("static", **name) as last:
                    last.wait_ready()
                    found.append(("it restarts after SIGKILL", probe.worst_s(SETTLE_S)))
                    last.stop()
    say(f"rebalance: {found}")
    return [
        Measured(stage="rebalance", what="hashes remembered", value=count, unit="hashes"),
        *(
            Measured(stage="rebalance", what=f"longest wait: {what}", value=wait_s, unit="s")
            for what, wait_s in found
        ),
    ]


@contextmanager
def broker(clock: Clock) -> Iterator[tuple[Cluster, Path]]:
    """Start a broker with the topics of the product; yield it and a directory."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with EmbeddedKafka(directory / "kafka") as kafka:
            cluster = Cluster(kafka.bootstrap_servers, clock)
            cluster.clean(keep=())
            yield cluster, directory


def _memory_when_empty(cluster: Cluster, directory: Path, clock: Clock) -> int:
    cluster.clean(keep=())
    with Worker(cluster.bootstrap_servers, directory, clock, name="empty") as worker:
        worker.wait_ready()
        empty = worker.memory_bytes
        worker.stop()
    return empty


def _load_hashes(cluster: Cluster, count: int, clock: Clock) -> None:
    """Send ``count`` different hashes, dated up to now; dedup reads only key and time."""
    first_ms = round(clock.now() * 1000) - count
    producer = Producer(
        {
            **connection(KafkaSettings(bootstrap_servers=cluster.bootstrap_servers)),
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 50,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for number, found in enumerate(hashes(count)):
        producer.produce(
            RAW,
            key=found.hex(),
            value=b"{}",
            partition=number % PARTITIONS,
            timestamp=first_ms + number,
        )
        if number % 10_000 == 0:
            while len(producer) > 900_000:
                producer.poll(0.1)
            producer.poll(0)
    producer.flush()


def _wait_until_read(cluster: Cluster, clock: Clock) -> None:
    end = cluster.end(RAW)
    while cluster.committed("dedup", RAW) < end:
        clock.wait(threading.Event(), _POLL_S)
