"""dedup and aggregator as processes on a real broker, with a loader that computes the truth."""

import hashlib
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from kafka_local import EmbeddedKafka
from kafka_local.ports import free_port
from kafka_local.process import GuardedProcess

from txfeatures.domain import wire
from txfeatures.domain.model import Heartbeat, OutgoingRecord, Record, Row
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, PARTIALS, RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink, UndeliveredError
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings

PARTITIONS = 4
START_S = 1_729_296_000
CLOSING_S = 300
READS = (
    (RAW, "dedup"),
    (DEDUPED, "aggregator"),
    (PARTIALS, "aggregator"),
    (FEED, "aggregator"),
)
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The records to send: ``transactions`` in all, ``per_second`` per second of the feed.

    One in ten is sent twice, one in a hundred is dated up to ten minutes back.
    """

    transactions: int
    per_second: int = 40
    seed: int = 0

    def seconds(self) -> Iterator[tuple[int, list[dict[str, object]]]]:
        """Yield (feed time in s, transactions of its poll)."""
        draw = random.Random(self.seed)
        made = 0
        second = START_S
        recent: list[dict[str, object]] = []
        while made < self.transactions:
            polled = []
            for _ in range(min(self.per_second, self.transactions - made)):
                age = draw.randrange(600) if draw.random() < 0.01 else draw.randrange(3)
                digest = hashlib.sha256(f"{self.seed}/{made}".encode()).hexdigest()
                fee = draw.randrange(10**9)
                polled.append({"hash": digest, "fee": fee, "time": second - age, "pad": "x" * 200})
                made += 1
            recent = (recent + polled)[-100:]
            yield second, polled + draw.sample(recent, len(polled) // 10)
            second += 1

    def truth(self) -> dict[str, tuple[int, int]]:
        """Return minute -> (transactions, sum of fees), with each hash counted once."""
        totals: dict[str, tuple[int, int]] = {}
        seen = set()
        for _, polled in self.seconds():
            for tx in polled:
                if tx["hash"] in seen:
                    continue
                seen.add(tx["hash"])
                moment = int(str(tx["time"]))
                name = time.strftime("%Y-%m-%d %H:%M:00", time.gmtime(moment))
                count, fees = totals.get(name, (0, 0))
                totals[name] = (count + 1, fees + int(str(tx["fee"])))
        return totals


class Worker:
    """One process of dedup or aggregator."""

    def __init__(self, service: str, name: str, kafka: KafkaSettings, folder: Path) -> None:
        self.service = service
        self._folder = folder
        self._log = folder / f"{service}-{name}.log"
        self._env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("TXF_")},
            "TXF_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "TXF_LOG_FORMAT": "text",
            f"TXF_{service.upper()}_HTTP_HOST": "127.0.0.1",
            f"TXF_{service.upper()}_INSTANCE_ID": name,
        }
        self._process: GuardedProcess | None = None

    def start(self) -> None:
        port = {f"TXF_{self.service.upper()}_HTTP_PORT": str(free_port())}
        self._process = GuardedProcess(
            [sys.executable, "-m", f"txfeatures_{self.service}"],
            cwd=self._folder,
            output=self._log,
            env={**self._env, **port},
        )

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.exit_code() is None

    def exit_code(self) -> int | None:
        assert self._process
        return self._process.exit_code()

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def stop(self) -> int | None:
        assert self._process
        self._process.stop(30.0)
        return self._process.exit_code()

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        os.kill(self._process.pid, number)

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


@dataclass(slots=True)
class Core:
    """A broker, the loader, and the workers that a test starts."""

    broker: EmbeddedKafka
    folder: Path
    load: Load
    clock: SystemClock = field(default_factory=SystemClock)
    loaded: threading.Event = field(default_factory=threading.Event)
    batches: int = 0
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
                        publish(sink, batch)
                        self.batches = number
                        if number % 5 == 0:
                            self.clock.wait(threading.Event(), 5 * len(batch) / records_per_s)
            except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
                self.failure.append(error)
            self.loaded.set()

        threading.Thread(target=send, daemon=True).start()

    def wait_until(
        self, is_true: Callable[[], bool], what: str, progress: Callable[[], object]
    ) -> None:
        """Wait until ``is_true``; fail after ``PATIENCE_S`` without a change of ``progress``."""
        seen, deadline = progress(), self.clock.monotonic() + PATIENCE_S
        while not is_true():
            assert not self.failure, self.failure
            if (now := progress()) != seen:
                seen, deadline = now, self.clock.monotonic() + PATIENCE_S
            logs = "\n".join(worker.log() for worker in self.workers)
            assert self.clock.monotonic() < deadline, f"{what} took too long\n{logs}"
            self.clock.wait(threading.Event(), 0.2)

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
            row = wire.decode_row(record.value)
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
        for worker in self.workers:
            worker.kill()

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
