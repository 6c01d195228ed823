"""The spans of one transaction on its way through all services."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import faust
import pytest
from faust_microbatch import App, Sendable
from faust_microbatch.testing import TestDriver
from opentelemetry.trace import StatusCode

from tests.service.fs_writer.fakes import TOPIC, Archive, DeadLetters, FeatureStore, Log
from tests.support.declared import DEFAULT, FEATURES
from tests.support.memory_sink import MemorySink, tx
from tests.support.spans import Recorder, linked, span_id
from txfeatures.domain.model import Record
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import load
from txfeatures_aggregator.app import create_app as create_aggregator
from txfeatures_aggregator.settings import Settings as AggregatorSettings
from txfeatures_dedup.app import create_app as create_dedup
from txfeatures_dedup.settings import Settings as DedupSettings
from txfeatures_fs_writer.archive import build_archive
from txfeatures_fs_writer.features import build_features
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.settings import Settings as FsWriterSettings
from txfeatures_poller.logic import Whole
from txfeatures_poller.main import build as build_poller
from txfeatures_poller.settings import Settings as PollerSettings
from txfeatures_poller.source import Answer, PollFailedError
from txfeatures_poller.spool import Spool

TIME_S = 1_729_334_940
PARTITION = 0


class OneAnswer:
    name = "example.org"

    def __init__(self, error: PollFailedError | None = None) -> None:
        self._error = error

    def wait(self, stop: threading.Event, timeout_s: float) -> None:
        return None

    def fetch(self) -> Answer:
        if self._error:
            raise self._error
        return Answer(
            source=self.name,
            transactions=[tx(1, time=TIME_S), tx(2, time=TIME_S)],
            feed_time_ms=TIME_S * 1000,
            fetched_at_ms=1,
            whole=Whole.of(b"0123456789"),
        )


def runtime(service: str, recorder: Recorder) -> Runtime:
    return Runtime(metrics=Metrics(service), clock=ManualClock(), tracing=recorder.tracing(service))


def read(topic: str, records: Iterable[Sendable]) -> list[Record]:
    """Return the records sent to a topic, as read from its only partition."""
    return [
        Record(
            topic=topic,
            partition=PARTITION,
            offset=offset,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
            headers=record.headers,
        )
        for offset, record in enumerate(records)
    ]


def worked(app: faust.App, topic: str, records: list[Record], *, to: str) -> list[Record]:
    """Return what an app sends to a topic when it gets one batch."""
    assert isinstance(app, App)
    with TestDriver(app) as driver:
        driver.feed(topic, records, partition=PARTITION)
        return read(to, driver.read(to))


def poll(
    recorder: Recorder, folder: Path, *, error: PollFailedError | None = None
) -> tuple[list[Record], list[Record]]:
    """Poll once; return the records of raw and feed."""
    sink = MemorySink(partitions=1)
    with Spool(folder / "spool.sqlite") as spool:
        steps = build_poller(
            PollerSettings(name="poller-0"),
            source=OneAnswer(error),
            sink=sink,
            spool=spool,
            runtime=runtime("poller", recorder),
            random=lambda: 0.5,
        )
        steps["poll"]()
    return read("raw", sink.of("raw")), read("feed", sink.of("feed"))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def only(recorder: Recorder, name: str) -> int:
    [span] = recorder.spans(name)
    return span_id(span)


def links_of(recorder: Recorder, name: str) -> set[int]:
    [span] = recorder.spans(name)
    return linked(span)


def test_a_poll_marks_transactions_ticks_and_its_heartbeat(
    recorder: Recorder, tmp_path: Path
) -> None:
    raw, feed = poll(recorder, tmp_path)
    marks = {record.headers[-1] for record in (*raw, *feed)}
    assert len(raw) == 3
    assert [name for name, _ in marks] == ["traceparent"]
    assert {span.name for span in recorder.spans()} == {"poll", "fetch", "send raw"}


def test_a_poll_that_fails_says_so_in_its_trace(recorder: Recorder, tmp_path: Path) -> None:
    refused = PollFailedError("http_429", "slow down", feed_time_ms=None, retry_after_s=None)
    assert poll(recorder, tmp_path, error=refused) == ([], [])
    status = {span.name: span.status.status_code for span in recorder.spans()}
    assert status == {"fetch": StatusCode.ERROR, "poll": StatusCode.UNSET}


def test_links_lead_from_the_feature_store_back_to_the_poll(
    recorder: Recorder, tmp_path: Path
) -> None:
    raw, _ = poll(recorder, tmp_path)
    dedup = create_dedup(
        load(DedupSettings),
        partitions=1,
        metrics=Metrics("dedup"),
        tracing=recorder.tracing("dedup"),
    )
    deduped = worked(dedup, "raw", raw, to="deduped")
    aggregator = create_aggregator(
        load(AggregatorSettings),
        partitions=1,
        metrics=Metrics("aggregator"),
        tracing=recorder.tracing("aggregator"),
        declaration=DEFAULT,
    )
    partials = worked(aggregator, "deduped", deduped, to="partials")
    aggregated = worked(aggregator, "partials", partials, to="aggregated")
    assert aggregated
    with ThreadPoolExecutor(1) as pool:
        writer = runtime("fs_writer", recorder)
        build_features(
            FsWriterSettings(),
            open_source=Log(aggregated).open,
            dead_letters=DeadLetters(),
            store=FeatureStore(lambda _: None),
            pool=pool,
            freshness=Freshness(writer.metrics),
            runtime=writer,
            features=FEATURES,
        )()

    assert links_of(recorder, "process aggregated") == {only(recorder, "process partials")}
    assert links_of(recorder, "process partials") == {only(recorder, "process deduped")}
    assert links_of(recorder, "process deduped") == {only(recorder, "send raw")}
    assert links_of(recorder, "process raw") == {only(recorder, "send raw")}


def test_an_archive_object_is_linked_to_the_polls_in_it(recorder: Recorder, tmp_path: Path) -> None:
    raw, _ = poll(recorder, tmp_path)
    deduped = read("deduped", [record for record in raw if record.key])
    writer = runtime("fs_writer", recorder)
    build_archive(
        FsWriterSettings(archive_max_rows=2),
        open_source=Log(deduped).open,
        topic_id=lambda: TOPIC,
        archive=Archive(),
        freshness=Freshness(writer.metrics),
        runtime=writer,
    )()
    assert links_of(recorder, "process deduped") == {only(recorder, "send raw")}
