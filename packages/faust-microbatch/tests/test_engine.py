import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from faust_microbatch import Batch, CrashedError, DictStore, Outgoing, ProcessEffects, Sensor
from faust_microbatch.clock import Clock, SystemClock
from faust_microbatch.engine.engine import TRANSACTION_GRACE_S, Engine
from faust_microbatch.engine.records import Partition
from faust_microbatch.engine.recovery import Restoration
from microbatch_support.apps import CONFIG
from microbatch_support.changelog import CHANGELOG, Changelog, Read, change, end, error
from microbatch_support.consumer import FakeConsumer
from microbatch_support.fakes import Exit, FakeProducer, messages

WAIT_S = 10.0
QUICK = replace(CONFIG, commit_interval_s=0.01, linger_s=0.001, quiesce_timeout_s=0.2)
IN = ("in", 0)


class Kafka(Changelog):
    """All clients of a worker."""

    def __init__(self, *reads: list[Message], ends: dict[int, int]) -> None:
        super().__init__(*reads, ends=ends)
        self.consumer = FakeConsumer()
        self.producer_made = FakeProducer()

    def member(self) -> Any:
        return self.consumer

    def producer(self, _: str) -> Any:
        return self.producer_made


class ShiftedClock(SystemClock):
    """The machine's clock, ahead by as much as a test wants."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class Bench:
    """An engine on scripted clients; its host has one table of one partition."""

    def __init__(self, kafka: Kafka, *, clock: Clock | None = None) -> None:
        self.kafka = kafka
        self.exit = Exit()
        self.batches: list[Batch] = []
        self.renewed: list[set[int]] = []
        self.store = DictStore()
        self.events: list[str] = []
        self.rebalances: list[int] = []
        bench = self

        class Rebalances(Sensor):
            def on_rebalance(self, partitions: int, pause_s: float) -> None:
                bench.rebalances.append(partitions)

        self.engine = Engine(
            QUICK,
            self,
            clients=kafka,
            crash=self.exit.crash,
            effects=ProcessEffects(),
            sensor=Rebalances(),
            clock=clock or SystemClock(),
        )

    def deliver(self, batch: Batch) -> None:
        self.batches.append(batch)

    def renew_tables(self, numbers: Iterable[int], kept: set[int]) -> list[Restoration]:
        new = set(numbers)
        self.renewed.append(new)
        if 0 not in new:
            return []
        self.store = DictStore()
        return [Restoration(changelog=(CHANGELOG, 0), store=self.store)]

    async def on_assigned(self, partitions: set[Partition]) -> None:
        self.events.append("assigned")

    async def on_ready(self, partitions: set[Partition]) -> None:
        self.events.append("ready")

    async def on_revoked(self, partitions: set[Partition]) -> None:
        self.events.append("revoked")

    async def get(self, *found: Message) -> Batch:
        """Let the consumer read ``found``; return the batch that reaches the agents."""
        before = len(self.batches)
        self.kafka.consumer.say(*found)
        await until(lambda: len(self.batches) > before)
        return self.batches[-1]

    async def own(self) -> None:
        """Take partition 0 over and wait until it is read."""
        before = self.events.count("ready")
        self.kafka.consumer.give(IN)
        await until(lambda: self.events.count("ready") > before)

    def committed(self) -> int | None:
        return self.kafka.producer_made.positions.get(IN)


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_true():
            await asyncio.sleep(0.005)


def play(scene: Callable[[Bench], Awaitable[None]], bench: Bench) -> None:
    """Run a scene with a started engine and stop that."""

    async def run() -> None:
        await bench.engine.start(["in"])
        try:
            await scene(bench)
        finally:
            await bench.engine.stop()

    asyncio.run(run())


def a_bench(*, clock: Clock | None = None) -> Bench:
    return Bench(Kafka([change(0, b"a", b"1"), end(1)], ends={0: 1}), clock=clock)


def test_a_partition_is_restored_before_it_is_read_and_committed_when_finished() -> None:
    async def scene(bench: Bench) -> None:
        await bench.own()
        assert bench.store == {b"a": b"1"}
        assert bench.events == ["assigned", "ready"]
        batch = await bench.get(*messages(2))
        assert bench.engine.begin(batch)
        batch.send("out", [Outgoing(b"k", b"v")])
        await asyncio.sleep(0.05)
        assert bench.committed() is None
        bench.engine.finish(batch)
        await until(lambda: bench.committed() == 2)
        assert bench.kafka.producer_made.committed == [("out", b"k", b"v")]
        await until(lambda: bench.engine._budget.used_bytes == 0)
        assert bench.rebalances == [1]

    play(scene, a_bench())


def test_a_revocation_waits_for_a_batch_that_was_begun_and_drops_one_that_was_not() -> None:
    async def scene(bench: Bench) -> None:
        await bench.own()
        begun = await bench.get(*messages(2))
        assert bench.engine.begin(begun)
        waiting = await bench.get(*messages(2, first=2))
        bench.kafka.consumer.take()
        await asyncio.sleep(0.05)
        assert bench.events[-1] == "ready"
        bench.engine.finish(begun)
        await until(lambda: bench.events[-1] == "revoked")
        assert bench.committed() == 2
        assert not bench.engine.begin(waiting)

    play(scene, a_bench())


def test_tables_are_kept_when_a_partition_comes_back_as_it_was_left() -> None:
    async def scene(bench: Bench) -> None:
        await bench.own()
        bench.kafka.consumer.take()
        await bench.own()
        assert bench.renewed == [{0}, set()]

    play(scene, a_bench())


def test_tables_are_restored_again_when_another_worker_has_committed() -> None:
    async def scene(bench: Bench) -> None:
        await bench.own()
        bench.kafka.consumer.take()
        bench.kafka.consumer.offsets = {IN: 7}
        bench.kafka.script += [lambda: [change(0, b"a", b"2"), end(1)]]
        await bench.own()
        assert bench.renewed == [{0}, {0}]
        assert bench.store == {b"a": b"2"}

    play(scene, a_bench())


def test_tables_whose_recovery_was_given_up_are_not_whole() -> None:
    bench = Bench(Kafka(ends={0: 2}))
    is_reading = threading.Event()

    def incomplete() -> list[Message]:
        is_reading.set()
        bench.engine._give_up.wait(WAIT_S)
        return [change(0, b"a", b"1")]

    whole: Read = lambda: [change(0, b"a", b"1"), change(1, b"b", b"2"), end(2)]  # noqa: E731

    async def scene(bench: Bench) -> None:
        bench.kafka.script += [incomplete]
        bench.kafka.consumer.give(IN)
        await until(is_reading.is_set)
        bench.kafka.consumer.take()
        await until(lambda: bench.events == ["assigned", "revoked"])
        bench.kafka.script += [whole]
        await bench.own()
        assert bench.renewed == [{0}, {0}]
        assert bench.store == {b"a": b"1", b"b": b"2"}

    play(scene, bench)


def test_a_changelog_that_can_not_be_read_ends_the_worker() -> None:
    bench = Bench(Kafka([error(KafkaError.TOPIC_AUTHORIZATION_FAILED)], ends={0: 1}))

    async def scene(bench: Bench) -> None:
        bench.kafka.consumer.give(IN)
        await until(bench.exit.happened.is_set)
        assert "partitions can't be taken over" in str(bench.exit.errors[0])

    play(scene, bench)
    assert "ready" not in bench.events


def test_a_transaction_that_hangs_ends_the_worker() -> None:
    clock, leave = ShiftedClock(), threading.Event()
    bench = a_bench(clock=clock)
    is_hanging = threading.Event()

    def hang(*_: object) -> None:
        is_hanging.set()
        leave.wait(WAIT_S)

    bench.kafka.producer_made.send_offsets_to_transaction = hang  # type: ignore[assignment]

    async def scene(bench: Bench) -> None:
        await bench.own()
        batch = await bench.get(*messages(2))
        bench.engine.begin(batch)
        bench.engine.finish(batch)
        await until(is_hanging.is_set)
        clock.ahead_s = QUICK.transaction_timeout_s + TRANSACTION_GRACE_S - 1
        bench.engine.check()
        clock.ahead_s += 2
        with pytest.raises(CrashedError, match="a transaction hangs for more than 30 s"):
            bench.engine.check()

    play(scene, bench)  # the stop does not wait for the thread that hangs
    leave.set()
    bench.engine._committer._thread.join(WAIT_S)
    assert bench.committed() is None  # nor does the thread commit when it hangs no more


def test_after_a_crash_no_batch_is_begun_finished_or_committed() -> None:
    async def scene(bench: Bench) -> None:
        await bench.own()
        left, finished, next_one = [
            await bench.get(*messages(1, first=number)) for number in range(3)
        ]
        assert bench.engine.begin(left)
        assert bench.engine.begin(finished)
        bench.engine.abandon(left, ValueError("an agent's mistake"))
        bench.engine.abandon(left, GeneratorExit())  # its iterator is closed on the way out
        assert not bench.engine.begin(next_one)
        bench.engine.finish(finished)
        await asyncio.sleep(0.05)

    bench = a_bench()
    play(scene, bench)
    [error] = bench.exit.errors
    assert isinstance(error.__cause__, ValueError)
    assert bench.committed() is None
    assert bench.kafka.producer_made.calls == ["init_transactions"]


def test_stopping_commits_what_was_begun_and_leaves_the_group() -> None:
    bench = a_bench()

    async def scene(bench: Bench) -> None:
        await bench.own()
        batch = await bench.get(*messages(2))
        bench.engine.begin(batch)
        asyncio.get_running_loop().call_later(0.05, bench.engine.finish, batch)

    play(scene, bench)
    assert bench.committed() == 2
    assert bench.kafka.consumer.is_closed
    assert bench.exit.errors == []


def test_agents_that_do_not_finish_in_time_end_the_worker() -> None:
    async def scene(bench: Bench) -> None:
        await bench.own()
        bench.engine.begin(await bench.get(*messages(2)))
        bench.kafka.consumer.take()
        await until(bench.exit.happened.is_set)

    bench = a_bench()
    play(scene, bench)
    assert "agents did not finish" in str(bench.exit.errors[0])
    assert bench.committed() is None
