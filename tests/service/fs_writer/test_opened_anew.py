"""The archive's step on a real broker, which it leaves and joins again."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from kafka_local import EmbeddedKafka

from tests.service.fs_writer.fakes import Archive
from tests.service.fs_writer.test_archive_step import START_S, offsets
from txfeatures.archive.layout import ObjectName
from txfeatures.domain.errors import FatalError, TransientError
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
            topic_id=partial(stack.enter_context(closing(KafkaAdmin(kafka))).topic_id, DEDUPED),
            archive=archive,
            freshness=Freshness(runtime.metrics),
            runtime=runtime,
        )


def is_done(admin: KafkaAdmin) -> bool:
    try:
        return admin.committed(GROUP, DEDUPED).get(0) == ROWS
    except TransientError:  # a group's coordinator comes and goes
        return False


def id_of(admin: KafkaAdmin) -> str | None:
    try:
        return admin.topic_id(DEDUPED)
    except TransientError:
        return None


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
            while not is_done(admin):
                assert clock.monotonic() < deadline_s
                step()
    assert not archive.refusals
    assert [offsets(body) for body in archive.objects.values()] == [[0, 1], [2, 3], [4, 5], [6]]
    assert archive.puts == list(archive.objects)


def test_topics_that_are_made_anew_are_archived_beside_what_there_was(tmp_path: Path) -> None:
    with EmbeddedKafka(tmp_path) as broker, ExitStack() as stack:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        runtime, archive, clock = Runtime(metrics=Metrics("fs_writer")), Archive(), SystemClock()
        admin = stack.enter_context(closing(KafkaAdmin(kafka)))
        operator = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        opening = partial(opened, kafka, archive, runtime)
        step: SupervisedStep | None = None
        deadline_s = clock.monotonic() + PATIENCE_S
        ids: list[str] = []
        for _ in range(2):
            admin.create(TOPICS, partitions=1, replication=1, keep_forever=True)
            while not (there := id_of(admin)) or there in ids:
                assert clock.monotonic() < deadline_s
            ids.append(there)
            with closing(KafkaSink(kafka, client_id="test")) as sink:
                sink.publish(feed())
            step = step or stack.enter_context(
                closing(SupervisedStep("archive", opening, runtime=runtime))
            )
            while not is_done(admin):
                assert clock.monotonic() < deadline_s
                step()
            if len(ids) == 1:
                operator.delete_topics([DEDUPED])[DEDUPED].result()
                while id_of(admin):
                    assert clock.monotonic() < deadline_s
    names = [name for key in archive.objects if (name := ObjectName.parse(key))]
    assert [(name.shelf.topic, name.first) for name in names] == [
        (topic, first) for topic in ids for first in (0, 2, 4, 6)
    ]
