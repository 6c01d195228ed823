import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message

from faust_microbatch import (
    Batch,
    Config,
    CrashedError,
    DictStore,
    Outgoing,
    ProcessEffects,
    Sensor,
)
from faust_microbatch.clock import Clock, SystemClock
from faust_microbatch.engine.engine import TRANSACTION_GRACE_S, Engine
from faust_microbatch.engine.records import Partition
from faust_microbatch.engine.recovery import Restoration
from microbatch_support.apps import CONFIG
from microbatch_support.changelog import CHANGELOG, Changelog, Read, change, end, error
from microbatch_support.consumer import FakeConsumer
from microbatch_support.fakes import Exit, FakeProducer, failure, messages

WAIT_S = 10.0
QUICK = replace(CONFIG, commit_interval_s=0.01, linger_s=0.001, quiesce_timeout_s=0.2)
IN = ("in", 0)


class Kafka(Changelog):
    """All clients of a worker."""

    def __init__(self, *reads: list[Message], ends: dict[int, int]) -> None:
        super().__init__(*reads, ends=ends)
        self.consumer = FakeConsumer()
        self.transactional_ids: list[str] = []
        self.producer_made = FakeProducer()

    def member(self) -> Any:
        return self.consumer

    def producer(self, transactional_id: str) -> Any:
        self.transactional_ids.append(transactional_id)
        return self.producer_made


class ShiftedClock(SystemClock):
    """The machine's clock, ahead by as much as a test wants."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class Bench:
    """An engine on scripted clients; its host has one table of one partition."""

    def __init__(self, kafka: Kafka, *, clock: Clock | None = None, config: Config = QUICK) -> None:
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
            config,
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


def test_offsets_are_committed_as_the_member_of_the_newest_generation() -> None:
    async def commit(bench: Bench, *, first: int) -> object:
        await bench.own()
        batch = await bench.get(*messages(2, first=first))
        bench.engine.begin(batch)
        bench.engine.finish(batch)
        await until(lambda: bench.committed() == first + 2)
        bench.kafka.consumer.offsets = {IN: first + 2}
        bench.kafka.consumer.take()
        return bench.kafka.producer_made.metadata

    async def scene(bench: Bench) -> None:
        assert await commit(bench, first=0) == "generation 1"
        assert await commit(bench, first=2) == "generation 2"

    play(scene, a_bench())


def test_a_worker_with_a_name_fences_its_former_life_and_others_nobody() -> None:
    async def scene(_: Bench) -> None: ...

    ids = []
    for config in (replace(QUICK, instance_id="one"), QUICK, QUICK):
        bench = Bench(Kafka(ends={}), config=config)
        play(scene, bench)
        ids += bench.kafka.transactional_ids
    assert ids[0] == "test-one"
    assert len(set(ids)) == 3


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


class Hang:
    """A call into librdkafka that does not return until a test lets it go."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.leave = threading.Event()

    def __call__(self, *_: object) -> None:
        self.began.set()
        self.leave.wait(3 * WAIT_S)  # longer than anybody here waits for the worker's end


LIMIT_S = QUICK.transaction_timeout_s + TRANSACTION_GRACE_S


def check_beyond_the_limit(bench: Bench, clock: ShiftedClock) -> None:
    clock.ahead_s += LIMIT_S / 2
    bench.engine.check()
    clock.ahead_s += LIMIT_S / 2
    with pytest.raises(CrashedError, match="a transaction hangs for more than 30 s"):
        bench.engine.check()


@pytest.mark.parametrize(
    "call",
    [
        "begin_transaction",
        "produce",
        "send_offsets_to_transaction",
        "commit_transaction",
        "abort_transaction",
    ],
)
def test_a_transaction_that_hangs_ends_the_worker(call: str) -> None:
    clock, hang = ShiftedClock(), Hang()
    bench = a_bench(clock=clock)
    setattr(bench.kafka.producer_made, call, hang)
    if call == "abort_transaction":
        bench.kafka.producer_made.fail("commit_transaction", failure(abort=True))

    async def scene(bench: Bench) -> None:
        await bench.own()
        batch = await bench.get(*messages(2))
        bench.engine.begin(batch)
        batch.send("out", [Outgoing(b"k", b"v")])
        bench.engine.finish(batch)
        await until(hang.began.is_set)
        check_beyond_the_limit(bench, clock)

    play(scene, bench)  # the stop does not wait for the thread that hangs
    if call != "commit_transaction":  # which the broker may have carried out
        hang.leave.set()
        bench.engine._committer._thread.join(WAIT_S)
        assert bench.committed() is None  # nor does the thread commit when it hangs no more
    hang.leave.set()


def test_a_transaction_that_is_tried_again_and_again_ends_the_worker() -> None:
    clock = ShiftedClock()
    bench = a_bench(clock=clock)
    unavailable = failure(KafkaError.COORDINATOR_LOAD_IN_PROGRESS, retriable=True)
    bench.kafka.producer_made.fail("commit_transaction", *[unavailable] * 1_000_000)

    async def scene(bench: Bench) -> None:
        await bench.own()
        batch = await bench.get(*messages(2))
        bench.engine.begin(batch)
        bench.engine.finish(batch)
        await until(lambda: "commit_transaction" in bench.kafka.producer_made.calls)
        check_beyond_the_limit(bench, clock)

    play(scene, bench)
    bench.engine._committer._thread.join(WAIT_S)
    assert bench.committed() is None


def test_fencing_that_hangs_at_the_start_ends_the_worker() -> None:
    clock, hang = ShiftedClock(), Hang()
    bench = a_bench(clock=clock)
    bench.kafka.producer_made.init_transactions = hang  # type: ignore[assignment]

    async def run() -> None:
        starting = asyncio.create_task(bench.engine.start(["in"]))
        await until(hang.began.is_set)
        check_beyond_the_limit(bench, clock)
        async with asyncio.timeout(WAIT_S):
            await starting
            await bench.engine.stop()

    asyncio.run(run())
    hang.leave.set()
    assert not bench.kafka.consumer.assignments  # the group was never joined


def test_a_transaction_that_hangs_while_the_worker_stops_ends_it_too() -> None:
    clock, hang = ShiftedClock(), Hang()
    bench = a_bench(clock=clock)
    bench.kafka.producer_made.commit_transaction = hang  # type: ignore[assignment]

    async def run() -> None:
        await bench.engine.start(["in"])
        await bench.own()
        batch = await bench.get(*messages(2))
        bench.engine.begin(batch)
        bench.engine.finish(batch)
        await until(hang.began.is_set)
        stopping = asyncio.create_task(bench.engine.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        check_beyond_the_limit(bench, clock)
        async with asyncio.timeout(WAIT_S):
            await stopping

    asyncio.run(run())
    hang.leave.set()
    assert len(bench.exit.errors) == 1


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
