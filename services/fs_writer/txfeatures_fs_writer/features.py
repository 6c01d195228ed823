"""The wiring of the step that puts rows into the Feature Store."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

from txfeatures.domain.features import Feature
from txfeatures.domain.topics import AGGREGATED
from txfeatures.feature_store.writer import FeatureGroupWriter
from txfeatures.kafka.client import KafkaSink
from txfeatures.process import aws
from txfeatures.process.runtime import Runtime, Step
from txfeatures_fs_writer.features_step import GROUP, FeaturesStep
from txfeatures_fs_writer.freshness import Freshness
from txfeatures_fs_writer.groups import opener
from txfeatures_fs_writer.ports import DeadLetterSink, FeatureStore, OpenSource
from txfeatures_fs_writer.settings import Settings


def build_features(
    settings: Settings,
    *,
    open_source: OpenSource,
    dead_letters: DeadLetterSink,
    store: FeatureStore,
    features: Sequence[Feature],
    pool: Executor,
    freshness: Freshness,
    runtime: Runtime,
) -> Step:
    """Wire the step; ``features`` are declared, ``pool`` makes the calls."""
    _expect(features, runtime)
    return FeaturesStep(
        open_source=open_source,
        dead_letters=dead_letters,
        store=store,
        pool=pool,
        concurrency=settings.concurrency,
        max_records=settings.max_records,
        dead_letter_limit=settings.dead_letter_limit,
        max_record_bytes=settings.kafka.max_record_bytes,
        features=features,
        table_format=settings.aws.table_format,
        freshness=freshness,
        runtime=runtime,
    )


@contextmanager
def open_features(
    settings: Settings, *, features: Sequence[Feature], freshness: Freshness, runtime: Runtime
) -> Iterator[Step]:
    """Open the step with its clients of Kafka and the Feature Store.

    Raises:
        FatalError: A client can't be made.
    """
    with ExitStack() as stack:
        yield build_features(
            settings,
            dead_letters=stack.enter_context(
                closing(KafkaSink(settings.kafka, client_id="fs_writer"))
            ),
            store=FeatureGroupWriter(
                aws.feature_store(settings.aws, connections=settings.concurrency),
                settings.aws.feature_group,
            ),
            features=features,
            pool=stack.enter_context(ThreadPoolExecutor(settings.concurrency, "put")),
            open_source=opener(
                settings.kafka, AGGREGATED, group=GROUP, stack=stack, runtime=runtime
            ),
            freshness=freshness,
            runtime=runtime,
        )


def _expect(features: Sequence[Feature], runtime: Runtime) -> None:
    """Start the counters of unreadable rows at 0, so that an alert sees their first count."""
    for feature in features:
        for how in ("missing", "bad"):
            runtime.metrics.count("dlq_records_total", 0, reason=f"{how}_{feature.name}")
