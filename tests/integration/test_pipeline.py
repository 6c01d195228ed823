import functools
import io
import random
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.integration.conftest import Pipeline, StartPipeline
from tests.support import oracle
from tests.support.shared_data import (
    BLOCK,
    ERROR_BODIES,
    HUGE,
    RECORDED,
    RECORDING,
    shared_data,
)
from txfeatures.domain import wire
from txfeatures_local.demo.plan import Transport
from txfeatures_local.source.replay_clock import ClockMode

pytestmark = pytest.mark.integration


def archived_hashes(pipeline: Pipeline) -> Counter[str]:
    s3 = pipeline.client("s3")
    hashes: Counter[str] = Counter()
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="txfeatures", Prefix="archive/")
    for page in pages:
        for key in (item["Key"] for item in page.get("Contents", [])):
            if not key.endswith(".parquet"):
                continue  # a manifest
            body = s3.get_object(Bucket="txfeatures", Key=key)["Body"].read()
            hashes.update(pq.read_table(io.BytesIO(body))["hash"].to_pylist())
    return hashes


def has_shown(pipeline: Pipeline, transactions: int) -> bool:
    return pipeline.status().transactions >= transactions


def assert_features(pipeline: Pipeline, recording: Path) -> None:
    """Check every feature of the rows against the oracle."""
    by_minute = oracle.by_minute(oracle.transactions(recording))
    for row in pipeline.rows():
        for feature, true in oracle.features(by_minute[str(row["tx_minute"])]).items():
            assert oracle.is_close(feature, row[feature], true), (row["tx_minute"], feature)


@pytest.mark.parametrize("name", [RECORDING.name, BLOCK])
def test_a_replay_gives_the_oracles_rows_and_archives_each_transaction_once(
    start: StartPipeline, name: str
) -> None:
    recording = shared_data(BLOCK) if name == BLOCK else RECORDING
    pipeline = start(recording)
    pipeline.drain()
    assert pipeline.totals() == oracle.minutes(recording)
    assert_features(pipeline, recording)
    hashes = [str(tx["hash"]) for tx in oracle.transactions(recording)]
    assert len(hashes) == (4863 if name == BLOCK else RECORDED)
    assert archived_hashes(pipeline) == Counter(hashes)
    latest = pipeline.get("/features/latest?final=true").json()
    assert latest["is_final"] == 1


def test_a_transaction_of_4_mb_passes_every_stage(start: StartPipeline) -> None:
    recording = shared_data(HUGE)
    pipeline = start(recording)
    pipeline.drain()
    assert pipeline.totals() == oracle.minutes(recording)
    assert archived_hashes(pipeline).total() == 419


def test_error_answers_in_between_lose_nothing(start: StartPipeline) -> None:
    pipeline = start(RECORDING, errors=ERROR_BODIES, error_rate=0.1)
    pipeline.drain()
    assert pipeline.status().errors > 0
    assert pipeline.totals() == oracle.minutes(RECORDING)


def test_two_pollers_count_nothing_twice(start: StartPipeline) -> None:
    pipeline = start(RECORDING, pollers=2)
    pipeline.drain()
    assert pipeline.totals() == oracle.minutes(RECORDING)


PUSHED: dict[str, object] = {
    "transport": Transport.WEBSOCKET,
    "clock": ClockMode.REAL,  # moved by polls, the source would push nothing before they show it
    "speed": 20.0,
}


def test_sigkill_of_a_poller_that_is_pushed_to_changes_no_row(start: StartPipeline) -> None:
    pipeline = start(RECORDING, error_rate=0.1, **PUSHED)
    for shown in sorted(random.sample(range(20, RECORDED - 40), 3)):
        pipeline.wait_until(functools.partial(has_shown, pipeline, shown))
        pipeline.restart("poller")
    pipeline.drain()
    assert pipeline.totals() == oracle.minutes(RECORDING)
    assert_features(pipeline, RECORDING)
    assert archived_hashes(pipeline) == Counter(
        str(tx["hash"]) for tx in oracle.transactions(RECORDING)
    )
    hosts = {wire.header(record.headers, "txf-source") for record in pipeline.records("raw")}
    assert len(hosts - {None}) == 2  # polls and pushes both took part


def test_a_poller_that_is_pushed_to_and_one_that_polls_count_nothing_twice(
    start: StartPipeline,
) -> None:
    pipeline = start(RECORDING, pollers=2, **PUSHED)
    polls = pipeline.stack.parts["poller-2"]
    polls.stop()
    polls.env = {**polls.env, "TXF_POLLER_SOURCE": "http"}
    polls.start()
    pipeline.drain()
    assert pipeline.totals() == oracle.minutes(RECORDING)
    assert_features(pipeline, RECORDING)


@pytest.mark.parametrize("victim", ["poller", "fs_writer", "api"])
def test_sigkill_in_the_middle_of_a_replay_changes_no_row(
    start: StartPipeline, victim: str
) -> None:
    pipeline = start(RECORDING)
    for shown in sorted(random.sample(range(20, RECORDED - 40), 3)):
        pipeline.wait_until(functools.partial(has_shown, pipeline, shown))
        pipeline.restart(victim)
    pipeline.drain()
    assert pipeline.totals() == oracle.minutes(RECORDING)
    if victim == "fs_writer":
        assert archived_hashes(pipeline) == Counter(
            str(tx["hash"]) for tx in oracle.transactions(RECORDING)
        )
    if victim == "api":
        pipeline.wait_until(pipeline.stack.parts[victim].is_ready)
        assert pipeline.get("/features/latest").is_success
