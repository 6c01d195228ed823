"""Jobs on a real Kafka for the fault tests, and workers that can be killed."""

import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic
from kafka_local.process import GuardedProcess

from faust_microbatch.clock import SystemClock
from microbatch_support.waiting import PATIENCE_S, wait_until

DEDUP = Path(__file__).with_name("dedup_worker.py")
STAGES = Path(__file__).with_name("stages_worker.py")


class Job:
    """Topics of one dedup job, what was put in, and what came out.

    Args:
        librdkafka: Properties of every client, the worker's too: the login, for example.
    """

    def __init__(
        self,
        servers: str,
        name: str,
        directory: Path,
        *,
        partitions: int = 4,
        librdkafka: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.servers = servers
        self._client = {"bootstrap.servers": servers, **librdkafka}
        self._librdkafka = dict(librdkafka)
        self.name = name
        self.partitions = partitions
        self.source, self.target = f"{name}-in", f"{name}-out"
        self.changelog = f"{name}-seen-changelog"
        self.unique: set[bytes] = set()
        self._directory = directory
        self._clock = SystemClock()
        self._admin = AdminClient({**self._client, "log_level": 0})
        self.create(self.source, self.target, self.changelog, partitions=partitions)

    def create(self, *topics: str, partitions: int) -> None:
        """Make topics."""
        new = [NewTopic(topic, partitions, 1) for topic in topics]
        for made in self._admin.create_topics(new).values():
            made.result()

    def put(self, records: int, *, seed: int = 1, value: bytes = b"v" * 200) -> None:
        """Write records, a tenth of them repeats."""
        chance = random.Random(seed)
        keys: list[bytes] = []
        producer = Producer(
            {
                **self._client,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",
                "linger.ms": 20,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        for _ in range(records):
            is_repeat = keys and chance.random() < 0.1
            key = chance.choice(keys) if is_repeat else chance.randbytes(16)
            keys.append(key)
            producer.produce(self.source, value, key)
        assert producer.flush(PATIENCE_S) == 0
        self.unique.update(keys)

    def delete_up_to(self, offset: int) -> None:
        """Delete the source's records below ``offset`` in every partition, as retention does."""
        parts = [TopicPartition(self.source, n, offset) for n in range(self.partitions)]
        for deleted in self._admin.delete_records(parts).values():
            deleted.result()

    def add_partitions(self, count: int) -> None:
        """Give the source ``count`` partitions in all."""
        added = self._admin.create_partitions([NewPartitions(self.source, count)])
        added[self.source].result()

    def create_anew(self) -> None:
        """Delete the source and make it again; group offsets that are higher stay behind."""
        self._admin.delete_topics([self.source])[self.source].result()
        wait_until(lambda: self.source not in self._admin.list_topics(timeout=10).topics)
        self.create(self.source, partitions=self.partitions)

    def worker(self, *, script: Path = DEDUP, **settings: Any) -> "Worker":
        """Start a worker."""
        return Worker(
            script,
            self._directory,
            {
                "group": self.name,
                "bootstrap_servers": self.servers,
                "source": self.source,
                "target": self.target,
                "partitions": self.partitions,
                "pace_s": 0.0,
                "own_process": False,
                "librdkafka": self._librdkafka,
                **settings,
            },
        )

    def committed(self, topic: str = "") -> int:
        """Return the sum of the group's offsets of a topic, the source if none is named."""
        topic = topic or self.source
        consumer = Consumer({**self._client, "group.id": self.name})
        try:
            parts = [TopicPartition(topic, n) for n in range(self._count(topic))]
            return sum(max(0, p.offset) for p in consumer.committed(parts, timeout=5))
        except KafkaException:
            return 0
        finally:
            consumer.close()

    def is_done(self) -> bool:
        """Return whether all of the source is committed."""
        return self.committed() >= self.end(self.source)

    def end(self, topic: str) -> int:
        """Return the sum of a topic's high watermarks."""
        return sum(end for _, end in self._ends(topic))

    def read(self, topic: str) -> list[tuple[int, bytes, bytes | None]]:
        """Return partition, key and value of every committed record, in order.

        Waits for the transactions that are open: what comes behind them would be missed.
        """
        consumer = Consumer(
            {
                **self._client,
                "group.id": "reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        try:
            ends = dict(self._ends(topic))
            consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in ends])
            found: list[tuple[int, bytes, bytes | None]] = []
            deadline = self._clock.monotonic() + PATIENCE_S
            while ends:
                assert self._clock.monotonic() < deadline, f"{topic} has an open transaction"
                for message in consumer.consume(10_000, 0.1):
                    number: Any = message.partition()
                    if message.error() is None:
                        key: Any = message.key()
                        value: Any = message.value()
                        found.append((number, key, value))
                    elif (message.offset() or 0) >= ends.get(number, 0):
                        ends.pop(number, None)
            return found
        finally:
            consumer.close()

    def check_exactly_once(self) -> None:
        """Check that every key came out once, and that the table's changelog agrees."""
        counts = Counter(key for _, key, _ in self.read(self.target))
        doubled = [key for key, count in counts.items() if count > 1]
        missing = self.unique - set(counts)
        assert not doubled, f"{len(doubled)} keys came out more than once"
        assert not missing, f"{len(missing)} of {len(self.unique)} keys never came out"
        assert set(counts) == self.unique
        remembered = [key for _, key, _ in self.read(self.changelog)]
        assert sorted(remembered) == sorted(self.unique)

    def _count(self, topic: str) -> int:
        return len(self._admin.list_topics(topic, timeout=10).topics[topic].partitions)

    def _ends(self, topic: str) -> Iterator[tuple[int, int]]:
        # By default the client reports the last stable offset, before any open transaction.
        consumer = Consumer(
            {**self._client, "group.id": "ends", "isolation.level": "read_uncommitted"}
        )
        try:
            for number in range(self._count(topic)):
                _, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=10)
                yield number, high
        finally:
            consumer.close()


class Worker:
    """A worker process that can be watched, stopped, frozen and killed."""

    _count = 0

    def __init__(self, script: Path, directory: Path, settings: dict[str, Any]) -> None:
        Worker._count += 1
        self.output = directory / f"worker-{Worker._count}.log"
        settings = {"datadir": str(directory / f"data-{Worker._count}"), **settings}
        self._process = GuardedProcess(
            [sys.executable, str(script), json.dumps(settings)],
            cwd=directory,
            output=self.output,
            env={**os.environ, "PYTHONPATH": str(script.parents[1])},  # for this package
        )

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the events of that name that the worker has reported."""
        *lines, _ = self.output.read_text(errors="replace").split("\n")  # the last is unfinished
        # Faust puts terminal codes before some of them.
        reported = [json.loads(line[line.index("{") :]) for line in lines if '{"event"' in line]
        return [event for event in reported if event["event"] == name]

    def wait_for(self, name: str, *, count: int = 1) -> None:
        """Wait until the worker has reported that so often."""
        wait_until(lambda: len(self.events(name)) >= count or self.exit_code() is not None)
        assert len(self.events(name)) >= count, self.output.read_text(errors="replace")[-3000:]

    def exit_code(self) -> int | None:
        code: int | None = self._process.exit_code()
        return code

    def wait(self) -> int:
        """Wait until the process has ended; return its exit code."""
        wait_until(lambda: self.exit_code() is not None)
        return self.exit_code() or 0

    def signal(self, number: signal.Signals) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End the process by SIGKILL; one that has ended by itself is a failure."""
        assert self.exit_code() is None, self.output.read_text(errors="replace")[-3000:]
        self._process.kill()

    def recovered(self) -> int:
        """Return the number of records from which the tables were made when work began."""
        self.wait_for("recovered")
        return int(self.events("recovered")[0]["records"])

    def stop(self) -> int:
        """Ask the process to stop; return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
