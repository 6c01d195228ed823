import threading
from collections.abc import Iterator, Sequence
from itertools import repeat

import pytest
from confluent_kafka import KafkaError

from faust_microbatch import Batch, Outgoing, Sensor
from faust_microbatch.clock import SystemClock
from faust_microbatch.engine.committer import MAX_ABORTS, Committer
from microbatch_support.fakes import Exit, FakeProducer, failure, messages
from microbatch_support.waiting import wait_until

WAIT_S = 10


class Bench:
    """A committer on a fake producer."""

    def __init__(self, *, interval_s: float = 0.01) -> None:
        self.coming: Iterator[bool] = repeat(True)
        self.producer = FakeProducer()
        self.exit = Exit()
        self.done: list[Batch] = []
        self.committer = Committer(
            lambda: self.producer,  # type: ignore[arg-type, return-value]
            metadata=lambda: "me",
            on_committed=self._on_committed,
            is_more_coming=lambda: next(self.coming),
            interval_s=interval_s,
            crash=self.exit.crash,
            sensor=Sensor(),
            clock=SystemClock(),
        )

    def _on_committed(self, batches: Sequence[Batch]) -> None:
        self.done += batches

    def start(self) -> None:
        self.committer.start().result(WAIT_S)

    def run(self, *batches: Batch) -> None:
        """Commit batches and wait for that, or for the end of the process."""
        for each in batches:
            self.committer.put(each)
        drained = self.committer.drain()
        ended = threading.Event()
        drained.add_done_callback(lambda _: ended.set())
        while not ended.wait(0.01) and not self.exit.happened.is_set():
            pass


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    bench.start()
    yield bench
    if not bench.exit.errors:
        bench.committer.stop()


def batch(first: int, *, start: int | None = None, partition: int = 0) -> Batch:
    made = Batch("in", partition, messages(2, first=first, partition=partition), start=start)
    made.send("out", [Outgoing(b"key", b"%d" % first)])
    made.outbox.changes.append(("changes", partition, {b"k%d" % first: b"1"}))
    return made


def test_a_batch_is_committed_with_its_outputs_its_changes_and_its_offset(bench: Bench) -> None:
    bench.run(batch(0))
    assert bench.producer.committed == [("out", b"key", b"0"), ("changes", b"k0", b"1")]
    assert bench.producer.positions == {("in", 0): 2}
    assert bench.producer.metadata == "me"  # by which a worker that has lost them is refused
    assert [each.next_offset for each in bench.done] == [2]


@pytest.fixture
def patient() -> Iterator[Bench]:
    """A committer that would gather for longer than any test lasts."""
    bench = Bench(interval_s=3_600.0)
    bench.start()
    yield bench
    bench.committer.stop()


def test_the_last_batch_is_committed_at_once(patient: Bench) -> None:
    patient.coming = repeat(False)
    patient.committer.put(batch(0))
    wait_until(lambda: len(patient.done) == 1)


def test_batches_are_gathered_while_more_are_coming(patient: Bench) -> None:
    patient.coming = iter([True, True, False])
    for first in (0, 2, 4):
        patient.committer.put(batch(first, start=first))
    wait_until(lambda: len(patient.done) == 3)
    assert patient.producer.calls.count("commit_transaction") == 1


def test_batches_that_are_finished_together_share_a_transaction_in_their_order(
    bench: Bench,
) -> None:
    bench.run(batch(0), batch(0, partition=1), batch(2, start=2), batch(5, start=4))
    assert bench.producer.calls.count("commit_transaction") == 1
    assert [value for topic, _, value in bench.producer.committed if topic == "out"] == [
        b"0",
        b"0",
        b"2",
        b"5",
    ]
    assert bench.producer.positions == {("in", 0): 7, ("in", 1): 2}


def test_what_may_be_retried_is_called_again(bench: Bench) -> None:
    bench.producer.fail("send_offsets_to_transaction", failure(retriable=True))
    bench.producer.fail("commit_transaction", failure(retriable=True), failure(retriable=True))
    bench.run(batch(0))
    assert bench.producer.positions == {("in", 0): 2}
    assert bench.producer.calls.count("begin_transaction") == 1


def test_an_aborted_transaction_is_made_again_as_it_was(bench: Bench) -> None:
    bench.producer.fail("commit_transaction", failure(abort=True))
    bench.run(batch(0), batch(2, start=2))
    assert "abort_transaction" in bench.producer.calls
    assert [value for topic, _, value in bench.producer.committed if topic == "out"] == [
        b"0",
        b"2",
    ]
    assert bench.producer.positions == {("in", 0): 4}
    assert bench.exit.errors == []


def test_a_transaction_that_is_aborted_again_and_again_ends_the_process(bench: Bench) -> None:
    bench.producer.fail("commit_transaction", *[failure(abort=True)] * MAX_ABORTS)
    bench.run(batch(0))
    assert bench.exit.happened.is_set()
    assert bench.done == []


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
    ],
)
def test_offsets_of_partitions_that_are_no_longer_ours_end_the_process(
    bench: Bench, code: int
) -> None:
    bench.producer.fail("send_offsets_to_transaction", failure(code, abort=True))
    bench.run(batch(0))
    assert bench.exit.happened.is_set()
    assert bench.producer.committed == []


@pytest.mark.parametrize("abort", [False, True])
def test_a_fenced_producer_ends_the_process(bench: Bench, abort: bool) -> None:
    bench.producer.fail("commit_transaction", failure(KafkaError._FENCED, fatal=True, abort=abort))
    bench.run(batch(0))
    assert bench.exit.happened.is_set()
    assert bench.done == []


def test_a_record_that_can_never_be_sent_ends_the_process(bench: Bench) -> None:
    bench.producer.fail("produce", failure(KafkaError.MSG_SIZE_TOO_LARGE))
    bench.run(batch(0))
    assert bench.exit.happened.is_set()


def test_a_batch_that_does_not_follow_the_last_one_ends_the_process(bench: Bench) -> None:
    bench.run(batch(0), batch(4, start=4))
    assert bench.exit.happened.is_set()
    assert bench.done == []


def test_after_a_drain_a_partition_may_come_back_at_another_offset(bench: Bench) -> None:
    bench.run(batch(0))
    bench.run(batch(10, start=10))
    assert bench.producer.positions == {("in", 0): 12}
    assert bench.exit.errors == []


def test_former_transactions_are_fenced_before_anything_is_committed() -> None:
    bench = Bench()
    bench.producer.fail("init_transactions", failure(retriable=True), None)
    bench.start()
    bench.committer.stop()
    assert bench.producer.calls == ["init_transactions", "init_transactions"]


def test_it_tells_for_how_long_a_transaction_has_been_going_on(bench: Bench) -> None:
    assert bench.committer.busy_s() == 0.0
    entered, leave = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        leave.wait(WAIT_S)

    bench.producer.begin_transaction = hang  # type: ignore[method-assign]
    bench.committer.put(batch(0))
    assert entered.wait(WAIT_S)
    assert bench.committer.busy_s() > 0.0
    leave.set()
    bench.run()
    assert bench.committer.busy_s() == 0.0
