import asyncio
from collections.abc import Collection
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from txfeatures.domain import wire
from txfeatures.domain.errors import TransientError
from txfeatures.domain.model import Heartbeat, Record
from txfeatures.process.clock import ManualClock
from txfeatures_api import problems
from txfeatures_api.feed_clock import FeedClock
from txfeatures_api.pipeline import Lookup, Pipeline, add_pipeline, stages


class Brokers:
    """Offsets of topics with two partitions, and how often they were looked up."""

    def __init__(self) -> None:
        self.end = 100
        self.lag = {"dedup": 0, "aggregator": 0, "fs_writer-features": 0}
        self.lookups = 0
        self.failure: Exception | None = None

    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        self.lookups += 1
        if self.failure:
            raise self.failure
        return {topic: {0: self.end, 1: self.end} for topic in topics}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        return {0: self.end - self.lag[group], 1: self.end}


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
def feed_clock() -> FeedClock:
    feed_clock = FeedClock()
    beats = [("ok", False), ("ok", True), ("http_503", False)]
    records = [
        Heartbeat(poller="one", poll_id=n, feed_time_ms=n * 1000, outcome=outcome, gap=gap)
        for n, (outcome, gap) in enumerate(beats, start=1)
    ]
    feed_clock.receive(
        Record(
            topic="feed",
            partition=0,
            offset=0,
            key=None,
            value=wire.encode_heartbeat(each),
            timestamp_ms=0,
        )
        for each in records
    )
    return feed_clock


def ask(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock, *waits_s: float
) -> list[httpx.Response]:
    """Request the counts once, and once more after each wait; the topics grow by 10 each time."""
    app = FastAPI()
    problems.install(app)
    add_pipeline(app, Pipeline(brokers, clock=clock), feed_clock)

    async def ask_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            answers = [await client.get("/v1/pipeline")]
            for wait_s in waits_s:
                clock.advance(wait_s)
                brokers.end += 10
                answers.append(await client.get("/v1/pipeline"))
            return answers

    return asyncio.run(ask_all())


def by_name(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    return {stage["name"]: stage for stage in answer.json()["stages"]}


def test_stages_stand_in_the_order_of_the_flow(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    [answer] = ask(brokers, clock, feed_clock)
    assert list(by_name(answer)) == ["raw", "deduped", "aggregated", "stores"]
    assert by_name(answer)["raw"]["records"] == 200


def test_the_counts_of_polls_are_those_of_the_heartbeats(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    [answer] = ask(brokers, clock, feed_clock)
    counts = answer.json()
    assert (counts["polls"], counts["failed_polls"], counts["gaps"]) == (3, 1, 1)
    assert counts["as_of"] == "1970-01-01T00:00:03.000Z"
    assert (counts["late"], counts["dead_letters"]) == (200, 600)


def test_requests_within_a_second_share_one_lookup(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    ask(brokers, clock, feed_clock, 0.3, 0.3, 0.3)
    assert brokers.lookups == 1


def test_a_rate_is_the_growth_between_lookups(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    first, *_, last = ask(brokers, clock, feed_clock, 2, 2)
    assert by_name(first)["raw"]["rate_per_s"] is None
    assert by_name(last)["raw"]["rate_per_s"] == 10.0  # two partitions grow by 10 in 2 s
    assert by_name(last)["stores"]["rate_per_s"] == 10.0


def test_lookups_of_long_ago_do_not_count_in_a_rate(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    *_, after_pause, last = ask(brokers, clock, feed_clock, 2, 3600, 2)
    assert by_name(after_pause)["raw"]["rate_per_s"] is None
    assert by_name(last)["raw"]["rate_per_s"] == 10.0


def test_a_topic_made_anew_has_no_rate() -> None:
    def lookup(at_s: float, end: int) -> Lookup:
        offsets = {topic: {0: end} for topic in ("raw", "deduped", "aggregated")}
        return Lookup(at_s=at_s, ends=offsets, committed=offsets)

    assert stages([lookup(0, 500), lookup(1, 3)])[0].rate_per_s is None


@pytest.mark.parametrize(("lag", "is_caught_up"), [(0, True), (1, True), (2, False)])
def test_a_commit_marker_at_the_end_of_a_partition_is_no_lag(
    lag: int,
    is_caught_up: bool,
    brokers: Brokers,
    clock: ManualClock,
    feed_clock: FeedClock,
) -> None:
    brokers.lag["aggregator"] = lag
    [answer] = ask(brokers, clock, feed_clock)
    stage = by_name(answer)["deduped"]
    assert stage["reader"] == "aggregator"
    assert (stage["lag_records"], stage["is_caught_up"]) == (lag, is_caught_up)


def test_a_group_that_has_committed_nothing_lags_by_everything(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    brokers.committed = lambda group, topic: {}  # type: ignore[method-assign]
    [answer] = ask(brokers, clock, feed_clock)
    assert by_name(answer)["raw"]["lag_records"] == 200
    assert by_name(answer)["stores"]["records"] == 0


def test_brokers_that_do_not_answer_are_a_problem_until_they_do(
    brokers: Brokers, clock: ManualClock, feed_clock: FeedClock
) -> None:
    brokers.failure = TransientError("Kafka's brokers don't answer")
    [answer] = ask(brokers, clock, feed_clock)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    ask(brokers, clock, feed_clock, 0.1)  # waits for a second, as a good lookup does
    assert brokers.lookups == 2
    brokers.failure = None
    [answer] = ask(brokers, clock, feed_clock)
    assert answer.status_code == 200
