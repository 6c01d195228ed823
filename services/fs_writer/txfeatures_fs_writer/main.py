"""fs_writer: rows of features to Feature Store, transactions to the archive in S3.

Two steps side by side, each with a consumer group of its own. Offsets are committed
only after the stores have acknowledged what came before them, so a crash repeats work
and never loses it; a repeat changes neither the online store nor the archive.
"""

import sys
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing

from txfeatures.domain.errors import FatalError
from txfeatures.domain.topics import AGGREGATED, DEDUPED
from txfeatures.feature_store.writer import FeatureGroupWriter
from txfeatures.kafka.client import KafkaSink
from txfeatures.kafka.source import KafkaSource, Partition
from txfeatures.process import aws
from txfeatures.process.logs import configure_logging
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, Step, operations_server, run, stop_on_signals
from txfeatures.process.settings import load
from txfeatures.process.telemetry import open_tracing
from txfeatures_fs_writer import archive_step, features_step
from txfeatures_fs_writer.archive_step import ArchiveStep
from txfeatures_fs_writer.features_step import FeaturesStep
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.logic import CutRules
from txfeatures_fs_writer.ports import (
    Archive,
    DeadLetters,
    FeatureStore,
    OnPartitions,
    OpenSource,
    Source,
)
from txfeatures_fs_writer.settings import Settings
from txfeatures_fs_writer.stores import S3Archive

SERVICE = "fs_writer"


def build_features(
    settings: Settings,
    *,
    open_source: OpenSource,
    dead_letters: DeadLetters,
    store: FeatureStore,
    pool: Executor,
    freshness: Freshness,
    runtime: Runtime,
) -> Step:
    """Wire the step that puts rows; ``pool`` makes the calls."""
    return FeaturesStep(
        open_source=open_source,
        dead_letters=dead_letters,
        store=store,
        pool=pool,
        concurrency=settings.concurrency,
        max_records=settings.max_records,
        dead_letter_limit=settings.dead_letter_limit,
        table_format=settings.aws.table_format,
        freshness=freshness,
        runtime=runtime,
    )


def build_archive(
    settings: Settings,
    *,
    open_source: OpenSource,
    archive: Archive,
    freshness: Freshness,
    runtime: Runtime,
) -> Step:
    """Wire the step that archives transactions."""
    rules = CutRules(
        bucket_s=settings.archive_cut_s,
        max_rows=settings.archive_max_rows,
        max_bytes=settings.archive_max_bytes,
    )
    return ArchiveStep(
        open_source=open_source,
        archive=archive,
        rules=rules,
        freshness=freshness,
        runtime=runtime,
    )


def serve(settings: Settings) -> int:
    """Open everything, run until told to stop, close everything; return the exit code.

    Raises:
        FatalError: Something can't be opened.
    """
    with ExitStack() as stack:
        tracing = stack.enter_context(open_tracing(settings.tracing, service=SERVICE))
        runtime = Runtime(metrics=Metrics(SERVICE), tracing=tracing)
        freshness = Freshness(runtime.metrics)
        sink = stack.enter_context(closing(KafkaSink(settings.kafka, client_id=SERVICE)))
        pool = stack.enter_context(ThreadPoolExecutor(settings.concurrency, "put"))
        features = build_features(
            settings,
            open_source=_opener(settings, AGGREGATED, features_step.GROUP, stack, runtime),
            dead_letters=sink,
            store=FeatureGroupWriter(
                aws.feature_store(settings.aws, connections=settings.concurrency),
                settings.aws.feature_group,
            ),
            pool=pool,
            freshness=freshness,
            runtime=runtime,
        )
        archive = build_archive(
            settings,
            open_source=_opener(settings, DEDUPED, archive_step.GROUP, stack, runtime),
            archive=S3Archive(settings.aws),
            freshness=freshness,
            runtime=runtime,
        )
        stop_on_signals(runtime.stop)
        stack.enter_context(operations_server(settings.http_host, settings.http_port, runtime))
        return run({"features": features, "archive": archive}, runtime=runtime)


def main() -> int:
    """Run as the environment says; return the exit code."""
    try:
        settings = load(Settings)
        configure_logging(settings.log, service=SERVICE)
        return serve(settings)
    except FatalError as error:
        sys.stderr.write(f"{SERVICE}: {error}\n")
        return 1


def _opener(
    settings: Settings, topic: str, group: str, stack: ExitStack, runtime: Runtime
) -> OpenSource:
    """Return what joins ``group``; the process is ready once partitions are known."""
    runtime.health.wait_for(f"partitions of {topic}")

    def open_source(*, on_assigned: OnPartitions, on_revoked: OnPartitions) -> Source:
        def assigned(partitions: set[Partition]) -> None:
            on_assigned(partitions)
            runtime.health.has(f"partitions of {topic}")

        source = KafkaSource(
            settings.kafka,
            [topic],
            group=group,
            on_assigned=assigned,
            on_revoked=on_revoked,
        )
        return stack.enter_context(closing(source))

    return open_source
