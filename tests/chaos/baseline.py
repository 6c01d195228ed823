"""Other systems under the same checker: windows of a minute, and SIGKILLs from one seed.

Each counts and sums the transactions of a minute in its own windowed state, in the partition in
which they arrive. The last value that it sent of each window is compared with the ledger.
"""

import json
import os
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic
from kafka_local import EmbeddedKafka
from kafka_local.process import GuardedProcess

from bench.environments import cache_dir, python_of
from tests.chaos.ledger import Ledger, Load, Total
from tests.chaos.run import folder
from tests.chaos.stand import PARTITIONS, Say
from tests.chaos.verdicts import compare
from tests.support.core import publish
from tests.support.result import commit, machine, today
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.source import KafkaSource, committed_ends
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import KafkaSettings
from txfeatures_local.demo.drained import reaches

PEERS = Path(__file__).with_name("peers")
SOURCE, TARGET = "transactions", "windows"
SHORTEST_LIFE_S, LONGEST_LIFE_S = 8.0, 20.0
START_S, REST_S, LOOK_S = 120.0, 300.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A peer: its script, its environment in the benchmark, and the group it commits for."""

    script: str
    environment: str
    group: str
    topics: tuple[str, ...] = ()


SYSTEMS = {
    "faust": System(
        script="stock_faust.py",
        environment="stock_faust",
        group="chaos-faust",
        topics=("chaos-faust-windows-changelog",),
    ),
    "quix": System(script="quix_streams.py", environment="quix_streams", group="chaos-quix"),
}


@dataclass(slots=True, kw_only=True)
class Baseline:
    """One run of a peer."""

    system: System
    guarantee: str
    kafka: KafkaSettings
    directory: Path
    per_second: int
    seed: int
    clock: SystemClock = field(default_factory=SystemClock)
    ended: threading.Event = field(default_factory=threading.Event)
    failures: list[BaseException] = field(default_factory=list)
    lives: int = 0
    _process: GuardedProcess | None = None

    def start(self) -> None:
        """Start the worker, or start it again."""
        self.lives += 1
        environment = {
            "PEER_BOOTSTRAP": self.kafka.bootstrap_servers,
            "PEER_GUARANTEE": self.guarantee,
            "PEER_PARTITIONS": str(PARTITIONS),
            "PEER_SOURCE": SOURCE,
            "PEER_TARGET": TARGET,
            "PEER_STATE_DIR": str(self.directory / "state"),
        }
        python = python_of(self.system.environment, cache_dir())
        arguments = ["worker", "--without-web"] if "faust" in self.system.script else []
        self._process = GuardedProcess(
            [str(python), str(PEERS / self.system.script), *arguments],
            cwd=self.directory,
            output=self.directory / "peer.log",
            env={**os.environ, **environment},
        )

    def kill(self) -> None:
        if self._process:
            self._process.kill()

    def is_up(self) -> bool:
        return self._process is not None and self._process.exit_code() is None

    def load(self, ledger: Ledger) -> None:
        """Send the ledger's transactions, one second of the feed each second, until ``ended``."""
        try:
            load = Load(ledger, seed=self.seed, per_second=self.per_second)
            load.poison_share = 0.0
            with closing(KafkaSink(self.kafka, client_id="ledger")) as sink:
                for second, batch in _seconds(load, self.per_second):
                    publish(sink, batch)
                    ledger.shown(second)
                    if self.clock.wait(self.ended, 1.0):
                        return
        except BaseException as error:  # noqa: BLE001 - raised by the run
            self.failures.append(error)

    def wait_until_read(self, *, at_least: int, limit_s: float) -> bool:
        """Wait until the group has committed that many records, or all of them for 0."""
        deadline = self.clock.monotonic() + limit_s
        with closing(KafkaAdmin(self.kafka)) as admin:
            while self.clock.monotonic() < deadline:
                if not self.is_up():
                    self.start()
                with suppress(TransientError):
                    committed = admin.committed(self.system.group, SOURCE)
                    if at_least:
                        is_read = sum(committed.values()) >= at_least
                    else:
                        is_read = reaches(committed, committed_ends(self.kafka, SOURCE))
                    if is_read:
                        return True
                self.clock.wait(threading.Event(), LOOK_S)
        return False


def baseline(
    name: str, *, guarantee: str, seconds: float, seed: int, rate: int, say: Say, keep: bool
) -> dict[str, Any]:
    """Run a peer under SIGKILLs; return its losses and doubles."""
    system, draw, clock = SYSTEMS[name], random.Random(seed), SystemClock()
    with ExitStack() as opened:
        directory = opened.enter_context(folder(keep=keep, say=say))
        cluster = opened.enter_context(EmbeddedKafka(directory / "kafka"))
        kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers)
        _make_topics(kafka, system)
        ledger = opened.enter_context(closing(Ledger(directory / "ledger.sqlite")))
        run = Baseline(
            system=system,
            guarantee=guarantee,
            kafka=kafka,
            directory=directory,
            per_second=rate,
            seed=seed,
        )
        loader = threading.Thread(target=run.load, args=(ledger,))
        loader.start()
        opened.callback(loader.join)
        opened.callback(run.ended.set)
        run.start()
        opened.callback(run.kill)
        kills = 0
        if not run.wait_until_read(at_least=rate, limit_s=START_S):
            raise TimeoutError(f"{name} read nothing in {START_S:.0f} s: see its log with --keep")
        started_s = clock.monotonic()
        while clock.monotonic() - started_s < seconds:
            clock.wait(threading.Event(), draw.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S))
            kills += run.is_up()
            run.kill()
            run.start()
            say(f"{clock.monotonic() - started_s:6.1f} s kill {kills}; {ledger.count():,} sent")
        run.ended.set()
        loader.join()
        is_whole = run.wait_until_read(at_least=0, limit_s=REST_S)
        if run.failures:
            raise run.failures[0]
        difference = compare(ledger.minutes(), _windows(kafka))
        return {
            "system": name,
            "guarantee": guarantee,
            "seed": seed,
            "date": today(),
            "machine": machine(),
            "commit": commit(),
            "seconds": round(seconds),
            "transactions": len(ledger.ids("good")),
            "kills": kills,
            "came_to_rest": is_whole,
            "lost": difference.lost,
            "doubled": difference.doubled,
            "wrong_minutes": len(difference.minutes),
            "minutes": len(ledger.minutes()),
        }


def _make_topics(kafka: KafkaSettings, system: System) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    forever = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}
    wanted = [NewTopic(name, PARTITIONS, config=forever) for name in (SOURCE, TARGET)]
    wanted += [
        NewTopic(name, PARTITIONS, config={"cleanup.policy": "compact"}) for name in system.topics
    ]
    for made in admin.create_topics(wanted).values():
        made.result(30)


def _seconds(load: Load, per_second: int) -> Iterator[tuple[int, list[OutgoingRecord]]]:
    arrivals = load.arrivals()
    while True:
        batch = [next(arrivals) for _ in range(per_second)]
        yield (
            int(batch[0].arrived_at),
            [
                OutgoingRecord(
                    topic=SOURCE,
                    key=str(number % PARTITIONS).encode(),
                    value=bytes(each.tx),
                    timestamp_ms=each.time * 1000,
                    partition=number % PARTITIONS,
                )
                for number, each in enumerate(batch)
            ],
        )


def _windows(kafka: KafkaSettings) -> dict[str, Total]:
    """Return the last value of each window, summed over the partitions."""
    last: dict[tuple[str, int], Total] = {}
    for each in _records(kafka):
        value = json.loads(each.value or b"")
        key = (each.key or b"").decode(), value["minute"]
        last[key] = Total(value["count"], value["fees"] % 2**64)
    totals: dict[str, Total] = defaultdict(Total)
    for (_, minute), total in last.items():
        name = minute_name(minute)
        before = totals[name]
        totals[name] = Total(before.count + total.count, (before.fees + total.fees) % 2**64)
    return dict(totals)


def _records(kafka: KafkaSettings) -> Iterator[Record]:
    left = {part: end for part, end in committed_ends(kafka, TARGET).items() if end}
    with closing(KafkaSource(kafka, [TARGET], group="check-windows")) as source:
        while left:
            for each in source.poll(max_records=5000, timeout_s=1.0):
                yield each
                if left.get(each.partition) == each.offset + 1:
                    del left[each.partition]
