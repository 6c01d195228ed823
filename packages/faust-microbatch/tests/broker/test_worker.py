"""Promises of a worker besides exactly once."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Producer

from microbatch_support.needs import NEEDS_BROKER

pytest.importorskip("kafka_local", reason=NEEDS_BROKER)

from microbatch_support.cluster import STAGES, Job
from microbatch_support.waiting import pause, wait_until

pytestmark = pytest.mark.integration

Jobs = Callable[..., Job]


def test_agents_on_topics_of_different_sizes_add_up_exactly_in_spite_of_kills(job: Jobs) -> None:
    work = job()
    work.create(f"{work.name}-sums-changelog", partitions=1)
    work.create(f"{work.source}-middle", f"{work.source}-feed", partitions=1)
    settings: dict[str, Any] = {"script": STAGES, "instance_id": "one", "max_poll_records": 100}
    beat = Producer({"bootstrap.servers": work.servers})
    records = 0
    for _ in range(4):
        with work.worker(**settings) as worker:
            worker.wait_for("works")
            work.put(3000)
            records += 3000
            beat.produce(f"{work.source}-feed", b"beat")
            assert beat.flush(10) == 0
            worker.wait_for("committed", count=2)
            worker.kill()

    def is_done() -> bool:
        totals = [value for _, key, value in work.read(f"{work.name}-sums-changelog")]
        return b"%d" % records in totals

    with work.worker(**settings) as worker:
        worker.wait_for("works")
        wait_until(is_done)
        assert worker.stop() == 0
    totals = [(value or b"").split() for _, _, value in work.read(work.target)]
    assert max(int(total) for total, _ in totals) == records
    assert max(int(beats) for _, beats in totals) == 4


def test_memory_stays_flat_when_agents_are_slow_and_rebalances_are_served_still(job: Jobs) -> None:
    limit_bytes = 2_000_000
    slow: dict[str, Any] = {
        "max_poll_records": 100,
        "pace_s": 0.5,
        "max_buffered_bytes": limit_bytes,
    }
    work = job()
    work.put(20_000, value=os.urandom(1000))
    with work.worker(**slow) as worker:
        worker.wait_for("committed")

        def read_bytes() -> int:
            return sum(event["size_bytes"] for event in worker.events("read"))

        wait_until(lambda: read_bytes() > limit_bytes * 0.6)
        pause(2.0)  # longer than the poll thread waits for room before it pauses
        assert read_bytes() < limit_bytes * 3
        with work.worker(**slow) as other:
            other.wait_for("works")
            worker.wait_for("works", count=2)
        assert worker.stop() == 0


def test_a_worker_that_is_asked_to_stop_commits_what_it_has_begun(job: Jobs) -> None:
    work = job(partitions=1)
    work.put(1000)
    with work.worker(max_poll_records=100, pace_s=0.3, commit_interval_s=30.0) as worker:
        worker.wait_for("begun")
        assert worker.stop() == 0
        assert worker.events("committed")
    assert work.committed() > 0
    assert len(work.read(work.target)) > 0


def test_a_missing_topic_is_said_in_a_sentence_and_ends_the_worker(job: Jobs) -> None:
    work = job()
    with work.worker(source="nowhere") as worker:
        assert worker.wait() == 1
        assert "Kafka has no topic nowhere; create it" in worker.output.read_text()


def test_a_table_of_another_size_than_its_changelog_ends_the_worker(job: Jobs) -> None:
    work = job()
    with work.worker(partitions=3) as worker:
        assert worker.wait() == 1
        assert "has 4 partitions, but its table 3" in worker.output.read_text()


def test_a_second_worker_of_the_same_name_ends_the_first(job: Jobs) -> None:
    work = job()
    work.put(5000)
    with work.worker(instance_id="one", max_poll_records=50, pace_s=0.05) as first:
        first.wait_for("committed")
        with work.worker(instance_id="one") as second:
            assert first.wait() == 1
            wait_until(work.is_done)
            second.signal(signal.SIGTERM)
            assert second.wait() == 0
    work.check_exactly_once()


def test_records_that_were_deleted_before_they_were_read_are_reported_and_the_rest_is_read(
    job: Jobs,
) -> None:
    work = job(partitions=1)
    work.put(1000)
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        assert worker.stop() == 0
    seen, first = set(work.unique), work.end(work.source)
    work.put(500, seed=2)
    work.delete_up_to(first + 100)
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        assert worker.events("skipped") == [
            {"event": "skipped", "records": 100, "reason": "expired"}
        ]
        assert worker.stop() == 0
    assert "up to 100 records are lost" in worker.output.read_text()
    kept = {key for _, key, _ in work.read(work.target)}
    assert seen < kept < work.unique


def test_a_source_that_is_made_anew_under_a_worker_is_reported_and_read_from_its_start(
    job: Jobs,
) -> None:
    work = job(partitions=1)
    work.put(1000)
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        work.create_anew()
        work.put(400, seed=2)
        worker.wait_for("skipped")
        wait_until(lambda: work.committed() == work.end(work.source))
        assert worker.events("skipped")[0]["reason"] == "beyond_end"
        assert worker.stop() == 0
    work.check_exactly_once()


def test_partitions_added_under_a_worker_end_it_with_one_sentence_and_nothing_is_lost(
    job: Jobs,
) -> None:
    work = job(partitions=2)
    work.put(1000)
    with work.worker(instance_id="one") as worker:
        wait_until(work.is_done)
        work.add_partitions(3)
        assert worker.wait() == 1
        output = worker.output.read_text()
    assert f"topic {work.source} has more than the 2 partitions of this worker's start" in output
    assert "KeyError" not in output
    work.check_exactly_once()
