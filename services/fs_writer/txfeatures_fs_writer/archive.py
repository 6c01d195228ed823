"""The wiring of the step that archives transactions in S3."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

from txfeatures.domain.topics import DEDUPED
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.process.runtime import Runtime, Step
from txfeatures_fs_writer.archive_step import GROUP, ArchiveStep
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.groups import opener
from txfeatures_fs_writer.logic import CutRules
from txfeatures_fs_writer.ports import Archive, OpenSource, TopicId
from txfeatures_fs_writer.settings import Settings
from txfeatures_fs_writer.stores import S3Archive


def build_archive(
    settings: Settings,
    *,
    open_source: OpenSource,
    topic_id: TopicId,
    archive: Archive,
    freshness: Freshness,
    runtime: Runtime,
) -> Step:
    """Wire the step."""
    rules = CutRules(
        bucket_s=settings.archive_cut_s,
        max_rows=settings.archive_max_rows,
        max_bytes=settings.archive_max_bytes,
    )
    return ArchiveStep(
        open_source=open_source,
        topic_id=topic_id,
        archive=archive,
        rules=rules,
        freshness=freshness,
        runtime=runtime,
    )


@contextmanager
def open_archive(settings: Settings, *, freshness: Freshness, runtime: Runtime) -> Iterator[Step]:
    """Open the step with its clients of Kafka and S3.

    Raises:
        FatalError: A client can't be made.
    """
    with ExitStack() as stack:
        admin = stack.enter_context(closing(KafkaAdmin(settings.kafka)))
        yield build_archive(
            settings,
            open_source=opener(settings.kafka, DEDUPED, group=GROUP, stack=stack, runtime=runtime),
            topic_id=partial(admin.topic_id, DEDUPED),
            archive=S3Archive(settings.aws),
            freshness=freshness,
            runtime=runtime,
        )
