from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, Message

from faust_microbatch import Batch, CrashedError, Sensor, Skip
from faust_microbatch.clock import SystemClock
from faust_microbatch.engine import fetcher
from faust_microbatch.engine.budget import Budget
from faust_microbatch.engine.fetcher import Fetcher
from faust_microbatch.engine.records import Partition
from microbatch_support.consumer import FakeConsumer
from microbatch_support.fakes import Exit, failure, messages
from microbatch_support.waiting import wait_until


class Bench:
    """A fetcher on a fake consumer, whose listener reads on at once."""

    def __init__(self, *, max_bytes: int = 1_000_000, linger_s: float = 0.001) -> None:
        self.consumer = FakeConsumer()
        self.exit = Exit()
        self.budget = Budget(max_bytes)
        self.batches: list[Batch] = []
        self.reads: list[list[Partition]] = []
        self.assigned: list[Mapping[Partition, int | None]] = []
        self.revocations = 0
        self.starts_reading = True
        self.lags: dict[Partition, int] = {}
        self.skips: list[Skip] = []
        bench = self

        class Measurements(Sensor):
            def on_skip(self, skip: Skip) -> None:
                bench.skips.append(skip)

            def on_lag(self, topic: str, partition: int, records: int) -> None:
                bench.lags[topic, partition] = records

        self.fetcher = Fetcher(
            lambda: self.consumer,  # type: ignore[arg-type, return-value]
            ["in"],
            listener=self,
            max_records=10,
            linger_s=linger_s,
            budget=self.budget,
            crash=self.exit.crash,
            sensor=Measurements(),
            clock=SystemClock(),
        )

    def on_batches(self, batches: Sequence[Batch]) -> None:
        self.batches += batches
        self.reads.append([batch.source for batch in batches])

    def on_assigned(self, generation: int, committed: Mapping[Partition, int | None]) -> None:
        self.assigned.append(committed)
        if self.starts_reading:
            self.fetcher.start_reading(generation, committed)

    def on_revoked(self) -> None:
        self.revocations += 1


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.fetcher.stop()


def assignment(bench: Bench) -> Any:
    return bench.consumer.assignments[-1] if bench.consumer.assignments else None


def test_partitions_are_read_from_their_committed_offsets(bench: Bench) -> None:
    bench.consumer.offsets = {("in", 0): 7, ("in", 2): 0}
    bench.consumer.give(("in", 0), ("in", 1), ("in", 2))
    bench.fetcher.start()
    wait_until(lambda: assignment(bench) == {("in", 0): 7, ("in", 1): -2, ("in", 2): 0})
    assert bench.assigned == [{("in", 0): 7, ("in", 1): None, ("in", 2): 0}]


def test_an_answer_with_an_error_is_not_taken_for_a_partition_without_an_offset(
    bench: Bench,
) -> None:
    bench.consumer.offsets = {("in", 0): 7, ("in", 1): 9}
    bench.consumer.unanswered = [("in", 1), ("in", 1)]
    bench.consumer.give(("in", 0), ("in", 1))
    bench.fetcher.start()
    wait_until(lambda: assignment(bench) == {("in", 0): 7, ("in", 1): 9})
    assert bench.assigned == [{("in", 0): 7, ("in", 1): 9}]
    assert bench.consumer.unanswered == []


def test_nothing_is_read_before_the_former_owners_commits_are_resolved(bench: Bench) -> None:
    bench.consumer.offsets = {("in", 0): 7}
    bench.consumer.committed_failures = [failure(), failure()]
    bench.consumer.give(("in", 0))
    bench.fetcher.start()
    wait_until(lambda: len(bench.consumer.assignments) == 2)
    assert bench.consumer.assignments == [{}, {("in", 0): 7}]


def test_a_read_becomes_a_batch_for_each_partition(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetcher, "LAG_INTERVAL_S", 0.05)
    bench.consumer.give(("in", 0), ("in", 1))
    bench.fetcher.start()
    wait_until(lambda: bool(assignment(bench)))
    mixed = [*messages(2), *messages(3, partition=1), *messages(1, first=2)]
    bench.consumer.say(*mixed)
    bench.consumer.say(*messages(1, first=3))
    wait_until(lambda: len(bench.batches) == 3)
    assert [(b.partition, len(b), b.start, b.next_offset) for b in bench.batches] == [
        (0, 3, None, 3),
        (1, 3, None, 3),
        (0, 1, 3, 4),
    ]
    wait_until(lambda: bench.lags.get(("in", 0)) == 96)


@pytest.fixture
def patient() -> Iterator[Bench]:
    """Return a fetcher whose reads wait for five slices."""
    patient = Bench(linger_s=5 * fetcher.SLICE_S)
    yield patient
    patient.fetcher.stop()


def read_in_slices(bench: Bench, *slices: list[Message], of: Sequence[Partition]) -> list[Any]:
    """Return the slices that are left after one read, which begins with a message of ``in``-0."""
    bench.consumer.give(*of)
    bench.consumer.slices = list(slices)
    bench.fetcher.start()
    wait_until(lambda: bool(assignment(bench)))
    bench.consumer.say(*messages(1))
    wait_until(lambda: bool(bench.reads))
    bench.fetcher.stop()
    return bench.consumer.slices


def test_a_read_waits_for_the_other_partitions_of_its_topic(patient: Bench) -> None:
    late, later = messages(1, partition=1), messages(1, first=1)
    left = read_in_slices(patient, [], late, [], later, of=[("in", 0), ("in", 1)])
    assert patient.reads == [[("in", 0), ("in", 1)]]
    assert left == [later]


def test_a_read_that_has_all_partitions_ends_when_nothing_more_comes(patient: Bench) -> None:
    late, later = messages(1, first=1), messages(1, first=2)
    left = read_in_slices(patient, late, [], later, of=[("in", 0), ("other", 0)])
    assert [len(batch) for batch in patient.batches] == [2]
    assert left == [later]


def test_a_read_does_not_wait_for_ever(patient: Bench) -> None:
    later = messages(1, first=1)
    left = read_in_slices(patient, *[[]] * 5, later, of=[("in", 0), ("in", 1)])
    assert patient.reads == [[("in", 0)]]
    assert left == [later]


@pytest.mark.parametrize("is_between", [False, True])
def test_messages_that_were_read_before_a_revocation_are_dropped_after_it(
    bench: Bench, is_between: bool
) -> None:
    bench.consumer.give(("in", 0))
    bench.fetcher.start()
    wait_until(lambda: bool(assignment(bench)))
    if is_between:  # it comes while the read waits for more
        bench.consumer.before_rest = lambda: bench.consumer.callbacks["on_revoke"](None, [])
    else:
        bench.consumer.take()
    bench.consumer.say(*messages(2))
    wait_until(lambda: bench.revocations == 1 and not bench.consumer.script)
    bench.fetcher.stop()
    assert bench.batches == []


def test_a_start_that_comes_after_a_revocation_is_ignored(bench: Bench) -> None:
    bench.starts_reading = False
    bench.consumer.give(("in", 0))
    bench.fetcher.start()
    wait_until(lambda: bool(bench.assigned))
    bench.consumer.take()
    wait_until(lambda: bench.revocations == 1)
    bench.fetcher.start_reading(1, [("in", 0)])
    bench.consumer.say()
    wait_until(lambda: not bench.consumer.script)
    assert bench.consumer.assignments == [{}]


def test_an_empty_assignment_is_told_too(bench: Bench) -> None:
    bench.consumer.give()
    bench.fetcher.start()
    wait_until(lambda: bench.assigned == [{}])


def test_when_the_budget_is_full_reading_pauses_and_goes_on_when_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetcher, "ROOM_PATIENCE_S", 0.05)
    bench = Bench(max_bytes=100)
    bench.consumer.give(("in", 0))
    bench.fetcher.start()
    wait_until(lambda: bool(assignment(bench)))
    bench.consumer.say(*messages(2))
    wait_until(lambda: bench.consumer.paused)
    bench.consumer.take()  # is served all the same
    wait_until(lambda: bench.revocations == 1)
    bench.consumer.give(("in", 0))
    wait_until(lambda: len(bench.assigned) == 2)
    bench.budget.release(bench.batches[0].memory_bytes)
    wait_until(lambda: not bench.budget.is_full)
    bench.fetcher.stop()
    assert bench.exit.errors == []


def test_lost_partitions_end_the_process(bench: Bench) -> None:
    bench.consumer.script.append(
        lambda: bench.consumer.callbacks["on_lost"](bench.consumer, []) or []
    )
    bench.fetcher.start()
    wait_until(bench.exit.happened.is_set)
    assert bench.exit.happened.is_set()


@pytest.mark.parametrize(
    "error",
    [
        KafkaError(KafkaError._MAX_POLL_EXCEEDED),
        KafkaError(KafkaError._FATAL, "fenced"),  # as a read says it
        KafkaError(KafkaError._FATAL, "gone", True),
    ],
)
def test_a_consumer_that_is_out_of_the_group_ends_the_process(
    bench: Bench, error: KafkaError
) -> None:
    bench.consumer.say(Message(topic="in", partition=0, error=error))
    bench.fetcher.start()
    wait_until(bench.exit.happened.is_set)
    assert bench.exit.happened.is_set()


def test_an_error_that_passes_is_logged_and_reading_goes_on(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    bench.consumer.say(Message(topic="in", partition=0, error=error))
    bench.consumer.give(("in", 0))
    bench.fetcher.start()
    wait_until(lambda: bool(assignment(bench)))
    assert "Kafka's consumer" in caplog.text


def test_a_committed_offset_that_is_gone_is_reported_and_reading_goes_on_at_the_first_there_is(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.consumer.offsets = {("in", 0): 7, ("in", 1): 3}
    bench.consumer.give(("in", 0), ("in", 1))
    bench.consumer.script.append(list)  # reading starts
    bench.consumer.lose(("in", 0), low=20, high=30)
    bench.fetcher.start()
    wait_until(lambda: assignment(bench) == {("in", 0): 20, ("in", 1): 3})
    assert bench.skips == [
        Skip(
            topic="in",
            partition=0,
            next_offset=7,
            first_offset=20,
            records=13,
            reason="expired",
        )
    ]
    assert "up to 13 records are lost before they were read" in caplog.text
    bench.consumer.say(*messages(2, first=20))
    bench.consumer.say(*messages(1, first=22))
    wait_until(lambda: len(bench.batches) == 2)
    assert [(b.start, b.skipped, b.next_offset) for b in bench.batches] == [
        (7, 13, 22),
        (22, 0, 23),
    ]


def test_an_offset_that_goes_away_in_the_middle_is_reported_too(bench: Bench) -> None:
    bench.consumer.give(("in", 0))
    bench.consumer.script.append(list)
    bench.consumer.say(*messages(2))
    bench.consumer.lose(("in", 0), low=5, high=9)
    bench.consumer.lose(("in", 0), low=8, high=9)  # and again, before anything was read
    bench.consumer.say(*messages(1, first=8))
    bench.fetcher.start()
    wait_until(lambda: len(bench.batches) == 2)
    assert [(s.next_offset, s.first_offset, s.records) for s in bench.skips] == [
        (2, 5, 3),
        (5, 8, 3),
    ]
    assert [(b.start, b.skipped) for b in bench.batches] == [(None, 0), (2, 6)]
    assert bench.exit.errors == []


def test_a_group_without_an_offset_loses_nothing_when_the_topic_begins_later(bench: Bench) -> None:
    bench.consumer.give(("in", 0))
    bench.consumer.script.append(list)
    bench.consumer.lose(("in", 0), low=5, high=9)
    bench.consumer.say(*messages(1, first=5))
    bench.fetcher.start()
    wait_until(lambda: len(bench.batches) == 1)
    assert assignment(bench) == {("in", 0): OFFSET_BEGINNING}
    assert bench.skips == []
    assert bench.batches[0].skipped == 0


def test_the_first_offset_is_requested_until_it_is_known(bench: Bench) -> None:
    bench.consumer.offsets = {("in", 0): 7}
    bench.consumer.watermark_failures = [failure(), failure()]
    bench.consumer.give(("in", 0))
    bench.consumer.script.append(list)
    bench.consumer.lose(("in", 0), low=0, high=3)
    bench.fetcher.start()
    wait_until(lambda: assignment(bench) == {("in", 0): 0})
    assert [(s.reason, s.records) for s in bench.skips] == [("beyond_end", 4)]


def test_an_offset_that_is_gone_is_forgotten_when_the_partition_is_given_back(
    bench: Bench,
) -> None:
    bench.consumer.offsets = {("in", 0): 7}
    bench.consumer.watermark_failures = [failure()]
    bench.consumer.give(("in", 0))
    bench.consumer.script.append(list)
    bench.consumer.lose(("in", 0), low=20, high=30)
    bench.consumer.take()
    bench.fetcher.start()
    wait_until(lambda: bench.revocations == 1)
    wait_until(lambda: not bench.consumer.script)
    assert bench.skips == []


def test_stopping_leaves_the_group() -> None:
    bench = Bench()
    bench.fetcher.start()
    bench.fetcher.stop()
    assert bench.consumer.is_closed


def test_after_a_crash_the_group_is_left_without_handing_anything_over(bench: Bench) -> None:
    bench.consumer.give(("in", 0))
    bench.fetcher.start()
    wait_until(lambda: bool(assignment(bench)))
    with pytest.raises(CrashedError):
        bench.exit.crash("an agent failed")
    wait_until(lambda: bench.consumer.is_closed)
    assert bench.revocations == 0
