"""The archive's step on a real broker, which it leaves and joins again."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from kafka_local import EmbeddedKafka

from tests.service.fs_writer.fakes import Archive
from tests.service.fs_writer.test_archive_step import START_S, offsets
from txfeatures.domain.errors import FatalError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import DEDUPED, TOPICS
from txfeatures.domain.wire import tick
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.kafka.client import KafkaSink
from txfeatures.process.clock import SystemClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step
from txfeatures.process.settings import KafkaSettings
from txfeatures.process.supervision import SupervisedStep
from txfeatures_fs_writer.archive import build_archive
from txfeatures_fs_writer.archive_step import GROUP
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.groups import opener
from txfeatures_fs_writer.settings import Settings

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0
ROWS = 7


@contextmanager
def opened(kafka: KafkaSettings, archive: Archive, runtime: Runtime) -> Iterator[Step]:
    with ExitStack() as stack:
        yield build_archive(
            Settings(archive_max_rows=2),
            open_source=opener(kafka, DEDUPED, group=GROUP, stack=stack, runtime=runtime),
            archive=archive,
            freshness=Freshness(runtime.metrics),
            runtime=runtime,
        )


def feed() -> list[OutgoingRecord]:
    return [
        OutgoingRecord(
            topic=DEDUPED,
            key=b"k",
            value=b'{"hash":"a"}',
            timestamp_ms=(START_S + number) * 1000,
            partition=0,
        )
        for number in range(ROWS)
    ] + [tick(DEDUPED, 0, (START_S + 300) * 1000)]


def test_a_step_that_is_opened_anew_reads_on_from_its_commit(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        runtime, archive, clock = Runtime(metrics=Metrics("fs_writer")), Archive(), SystemClock()
        archive.refusals = [FatalError("there is no bucket"), ValueError("a defect")]
        with ExitStack() as stack:
            admin = stack.enter_context(closing(KafkaAdmin(kafka)))
            admin.create(TOPICS, partitions=1, replication=1, keep_forever=True)
            stack.enter_context(closing(KafkaSink(kafka, client_id="test"))).publish(feed())
            step = SupervisedStep(
                "archive", partial(opened, kafka, archive, runtime), runtime=runtime
            )
            stack.enter_context(closing(step))
            deadline_s = clock.monotonic() + PATIENCE_S
            while admin.committed(GROUP, DEDUPED).get(0) != ROWS:
                assert clock.monotonic() < deadline_s
                step()
    assert not archive.refusals
    assert [offsets(body) for body in archive.objects.values()] == [[0, 1], [2, 3], [4, 5], [6]]
    assert archive.puts == list(archive.objects)
