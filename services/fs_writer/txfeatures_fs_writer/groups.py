"""The consumer groups of fs_writer's steps."""

from contextlib import ExitStack, closing

from txfeatures.kafka.skips import SkippedRecords
from txfeatures.kafka.source import KafkaSource, Partition
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import KafkaSettings
from txfeatures_fs_writer.ports import OnPartitions, OnSkipped, OpenSource, Source


def opener(
    settings: KafkaSettings, topic: str, *, group: str, stack: ExitStack, runtime: Runtime
) -> OpenSource:
    """Return a function that joins ``group``; the stack leaves it.

    The process is unready until the group has assigned partitions of ``topic``.
    """
    runtime.health.wait_for(f"partitions of {topic}")

    def open_source(
        *,
        on_assigned: OnPartitions,
        on_revoked: OnPartitions,
        on_skipped: OnSkipped | None = None,
    ) -> Source:
        def assigned(partitions: set[Partition]) -> None:
            on_assigned(partitions)
            runtime.health.has(f"partitions of {topic}")

        def skipped(records: SkippedRecords) -> None:
            if on_skipped:
                on_skipped(records)
            runtime.metrics.count("skipped_records_total", records.records, topic=topic)

        source = KafkaSource(
            settings,
            [topic],
            group=group,
            on_assigned=assigned,
            on_revoked=on_revoked,
            on_skipped=skipped,
        )
        return stack.enter_context(closing(source))

    return open_source
