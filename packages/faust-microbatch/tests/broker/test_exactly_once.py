"""Every key comes out exactly once, under kills, stops and freezes."""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from microbatch_support.needs import NEEDS_BROKER

pytest.importorskip("kafka_local", reason=NEEDS_BROKER)

from kafka_local import EmbeddedKafka

from microbatch_support.cluster import Job, Worker
from microbatch_support.waiting import pause, wait_until

RECORDS = int(os.environ.get("MICROBATCH_RECORDS", "50000"))
KILLS = int(os.environ.get("MICROBATCH_KILLS", "5"))
SLOW: dict[str, Any] = {"max_poll_records": 200, "pace_s": 0.02, "commit_interval_s": 0.05}

pytestmark = pytest.mark.integration

Jobs = Callable[..., Job]

either_end = pytest.mark.parametrize("own_process", [True, False], ids=["own_process", "guest"])


def test_a_static_worker_that_is_killed_at_random_moments_loses_and_doubles_nothing(
    job: Jobs,
) -> None:
    work = job()
    work.put(RECORDS)
    chance = random.Random(7)
    for number in range(KILLS):
        with work.worker(instance_id="one", max_poll_records=100, pace_s=0.05) as worker:
            worker.wait_for("committed", count=chance.randint(1, 10))
            pause(chance.random() / 20)  # into a transaction, anywhere
            worker.kill()
            assert (worker.recovered() > 0) == (number > 0)
    assert not work.is_done()
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        assert worker.recovered() > 0
        assert worker.stop() == 0
    work.check_exactly_once()


@pytest.mark.parametrize("point", ["after_flush", "after_offsets", "after_commit"])
def test_a_worker_that_dies_within_a_transaction_loses_and_doubles_nothing(
    job: Jobs, point: str
) -> None:
    work = job()
    work.put(RECORDS)
    for countdown in (1, 3, 7):
        with work.worker(instance_id="one", failpoint=f"{point}:{countdown}", **SLOW) as worker:
            assert worker.wait() == -signal.SIGKILL
    assert not work.is_done()
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        assert worker.recovered() > 0
        assert worker.stop() == 0
    work.check_exactly_once()


def test_workers_that_join_and_leave_hand_their_partitions_over(job: Jobs) -> None:
    work = job()
    work.put(RECORDS // 5)
    with work.worker(instance_id="one", **SLOW) as first:
        first.wait_for("committed", count=5)
        with work.worker(**SLOW) as second:
            wait_until(lambda: partitions_of(first) == partitions_of(second) == 2)
            work.put(RECORDS // 5, seed=2)
            second.wait_for("committed", count=5)
            assert second.stop() == 0
        wait_until(lambda: partitions_of(first) == 4)
        work.put(RECORDS // 5, seed=3)
        with work.worker(**SLOW, session_timeout_s=6.0) as third:
            wait_until(lambda: partitions_of(first) == partitions_of(third) == 2)
            work.put(RECORDS // 5, seed=4)
            third.wait_for("committed", count=5)
            third.kill()
        with work.worker() as fourth:
            work.put(RECORDS // 5, seed=5)
            wait_until(work.is_done)
            assert fourth.stop() == 0
        assert first.stop() == 0
    work.check_exactly_once()


def partitions_of(worker: Worker) -> int:
    """Return how many partitions the worker works on."""
    return next((e["partitions"] for e in reversed(worker.events("works"))), 0)


@either_end
def test_a_worker_that_was_frozen_for_longer_than_its_session_writes_nothing(
    job: Jobs, own_process: bool
) -> None:
    work = job()
    work.put(RECORDS)
    settings: dict[str, Any] = {
        **SLOW,
        "session_timeout_s": 6.0,
        "transaction_timeout_s": 5.0,
        "own_process": own_process,
    }
    with work.worker(instance_id="one", **settings) as zombie:
        zombie.wait_for("committed", count=5)
        zombie.signal(signal.SIGSTOP)
        with work.worker(instance_id="two", **settings) as heir:
            wait_until(lambda: partitions_of(heir) == 4)
            committed = len(zombie.events("committed"))
            zombie.signal(signal.SIGCONT)
            assert zombie.wait() == 1
            assert len(zombie.events("committed")) == committed
            wait_until(work.is_done)
            assert heir.stop() == 0
    work.check_exactly_once()


@either_end
def test_an_agent_that_raises_ends_the_process_and_nothing_of_its_batch_counts(
    job: Jobs, own_process: bool
) -> None:
    work = job(partitions=1)
    work.put(2000)
    settings: dict[str, Any] = {**SLOW, "own_process": own_process}
    with work.worker(instance_id="one", fail_at=1, **settings) as worker:
        assert worker.wait() == 1
        assert "an agent's mistake" in worker.output.read_text()
    assert work.committed() == 0
    assert work.read(work.target) == []
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        assert worker.stop() == 0
    work.check_exactly_once()


def test_a_table_is_restored_to_what_was_committed(job: Jobs) -> None:
    work = job()
    work.put(5000)
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        worker.kill()
    with work.worker(instance_id="one") as worker:
        assert worker.recovered() == len(work.unique)
        work.put(5000)  # the same keys again
        wait_until(work.is_done)
        assert worker.stop() == 0
    work.check_exactly_once()


def test_a_broker_that_dies_and_comes_back_interrupts_and_loses_nothing(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        work = Job(kafka.bootstrap_servers, "broken", tmp_path)
        work.put(RECORDS)
        settings: dict[str, Any] = {**SLOW, "instance_id": "one", "session_timeout_s": 30.0}
        with work.worker(**settings, transaction_timeout_s=60.0) as worker:
            worker.wait_for("committed", count=5)
            kafka.kill()
            pause(1.0)
            kafka.start()
            wait_until(work.is_done)
            assert worker.stop() == 0
        work.check_exactly_once()
