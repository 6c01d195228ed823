"""dedup and aggregator as processes on a real broker, with a loader that computes the truth."""

import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kafka_local import EmbeddedKafka

from tests.support.declared import FEATURES
from tests.support.load import START_S, Load
from tests.support.worker import Worker
from txfeatures.domain import wire
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import Heartbeat, OutgoingRecord, Record, Row
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, PARTIALS, RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink, UndeliveredError
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings

PARTITIONS = 4
CLOSING_S = 300
READS = (
    (RAW, "dedup"),
    (DEDUPED, "aggregator"),
    (PARTIALS, "aggregator"),
    (FEED, "aggregator"),
)
READ_FIRST = {"dedup": RAW, "aggregator": DEDUPED}
"""The topic of each service that has the transactions."""
PATIENCE_S = 120.0
LOOK_S = 0.05


@dataclass(slots=True)
class Core:
    """A broker, the loader, and the workers that a test starts."""

    broker: EmbeddedKafka
    folder: Path
    load: Load
    clock: SystemClock = field(default_factory=SystemClock)
    loaded: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    batches: int = 0
    allowed: float = math.inf
    failure: list[BaseException] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.broker.bootstrap_servers)

    def bootstrap(self) -> None:
        KafkaAdmin(self.kafka).create(
            TOPICS, partitions=PARTITIONS, replication=1, keep_forever=True
        )

    def worker(self, service: str, name: str) -> Worker:
        worker = Worker(service, name, self.kafka, self.folder)
        self.workers.append(worker)
        worker.start()
        return worker

    def start_loading(self, *, records_per_s: float) -> None:
        """Send the whole load in a thread, and then empty polls that close its minutes."""

        def send() -> None:
            try:
                with closing(KafkaSink(self.kafka, client_id="loader")) as sink:
                    for number, batch in enumerate(self._batches()):
                        while number >= self.allowed and not self.closed.wait(LOOK_S):
                            pass
                        if self.closed.is_set():
                            return
                        publish(sink, batch)
                        self.batches = number
                        if number % 5 == 0:
                            self.closed.wait(5 * len(batch) / records_per_s)
            except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
                self.failure.append(error)
            self.loaded.set()

        threading.Thread(target=send, daemon=True).start()

    def advance(self, share: float, *services: str, records: int = 1) -> None:
        """Load up to ``share`` of the transactions, and see the services at work on them.

        Returns when each service has committed ``records`` more than before. The loader waits
        for the next call, so that what follows never comes too late, however busy the
        machine is. With a share of 1 it sends all the rest.
        """
        with closing(KafkaAdmin(self.kafka)) as admin:
            before = {service: self._committed(admin, service) for service in services}
            self.allowed = math.ceil(share * self.load.polls) if share < 1 else math.inf

            def has_moved(service: str) -> bool:
                return self._committed(admin, service) >= before[service] + records

            for service in services:
                self.wait_until(partial(has_moved, service), f"commits of {service}")

    def wait_until_ready(self, worker: Worker) -> None:
        """Wait until a worker, which must not end meanwhile, has its partitions."""

        def is_ready() -> bool:
            assert worker.is_up, worker.log()
            return worker.is_ready

        self.wait_until(is_ready, f"{worker.service} getting ready")

    def pause(self, seconds: float) -> None:
        """Let a fault last."""
        self.closed.wait(seconds)

    def wait_until(
        self,
        is_true: Callable[[], bool],
        what: str,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        """Wait until ``is_true``; fail after ``PATIENCE_S`` without a change of ``progress``."""
        seen, deadline = progress(), self.clock.monotonic() + PATIENCE_S
        while not is_true():
            assert not self.failure, self.failure
            if (now := progress()) != seen:
                seen, deadline = now, self.clock.monotonic() + PATIENCE_S
            assert self.clock.monotonic() < deadline, f"{what} took too long\n{self._logs()}"
            self.clock.wait(threading.Event(), LOOK_S)

    def drain(self) -> None:
        """Wait until all records are loaded and every stage has read the output of the previous."""
        self.wait_until(self.loaded.is_set, "loading", lambda: self.batches)
        with closing(KafkaAdmin(self.kafka)) as admin:
            for topic, group in READS:
                end = committed_ends(self.kafka, topic)

                read: dict[int, int] = {}

                def is_read(
                    topic: str = topic,
                    group: str = group,
                    end: dict[int, int] = end,
                    read: dict[int, int] = read,
                ) -> bool:
                    read.update(admin.committed(group, topic))
                    return all(read.get(p, 0) >= offset for p, offset in end.items())

                self.wait_until(is_read, f"{group} reading {topic}", read.copy)

    def records(self, topic: str) -> list[Record]:
        """Return all committed records of a topic."""
        left = {part: end for part, end in committed_ends(self.kafka, topic).items() if end}
        found: list[Record] = []
        with closing(KafkaSource(self.kafka, [topic], group=f"check-{topic}")) as source:
            while left:
                for record in source.poll(max_records=5000, timeout_s=1.0):
                    found.append(record)
                    if left.get(record.partition) == record.offset + 1:
                        del left[record.partition]
        return found

    def check(self) -> None:
        """Compare the whole output with the truth."""
        hashes = Counter(r.key for r in self.records(DEDUPED) if r.key is not None)
        doubles = {key: count for key, count in hashes.items() if count > 1}
        assert not doubles, f"{len(doubles)} hashes more than once"
        assert len(hashes) == self.load.transactions
        newest: dict[str, Row] = {}
        for record in self.records(AGGREGATED):
            row = wire.decode_row(record.value, features=FEATURES)
            name = str(row["tx_minute"])
            before = newest.get(name)
            if before:
                assert int(str(row["revision"])) == int(str(before["revision"])) + 1
                assert float(str(row["event_time"])) > float(str(before["event_time"]))
            newest[name] = row
        totals = {
            name: (int(str(r["total_nb_trx_1min"])), int(str(r["total_fee_1min"])))
            for name, r in newest.items()
            if r["total_nb_trx_1min"]
        }
        assert totals == self.load.truth()
        assert all(newest[name]["is_final"] == 1 for name in totals)

    def close(self) -> None:
        self.closed.set()
        for worker in self.workers:
            worker.dispose()

    def _committed(self, admin: KafkaAdmin, service: str) -> int:
        found: list[int] = []

        def is_known() -> bool:
            # Of a group that has just lost a member, an offset may be undecided.
            with suppress(TransientError):
                found.append(sum(admin.committed(service, READ_FIRST[service]).values()))
            return bool(found)

        self.wait_until(is_known, f"offsets of {service}")
        return found[-1]

    def _logs(self) -> str:
        return "\n".join(worker.log() for worker in self.workers)

    def _batches(self) -> Iterator[list[OutgoingRecord]]:
        last = START_S
        for second, polled in self.load.seconds():
            last = second
            yield self._poll(second, polled)
        for second in range(last + 1, last + CLOSING_S):
            yield self._poll(second, [])

    def _poll(self, second: int, polled: list[dict[str, object]]) -> list[OutgoingRecord]:
        heartbeat = Heartbeat(
            poller="loader", poll_id=second, feed_time_ms=second * 1000, outcome="ok"
        )
        return [
            *(
                OutgoingRecord(
                    topic=RAW,
                    key=str(tx["hash"]).encode(),
                    value=json.dumps(tx).encode(),
                    timestamp_ms=second * 1000,
                )
                for tx in polled
            ),
            *(wire.tick(RAW, partition, second * 1000) for partition in range(PARTITIONS)),
            OutgoingRecord(
                topic=FEED,
                key=b"loader",
                value=wire.encode_heartbeat(heartbeat),
                timestamp_ms=second * 1000,
            ),
        ]


def publish(sink: KafkaSink, records: list[OutgoingRecord]) -> None:
    """Send ``records`` until all are acknowledged, as the poller's spool does."""
    left = records
    while left:
        try:
            sink.publish(left)
        except UndeliveredError as error:
            left = list(error.records)
        else:
            return
