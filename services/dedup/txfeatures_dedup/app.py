"""dedup as a Faust app: an agent on ``raw``, a table of what was seen."""

from collections.abc import AsyncIterator
from typing import cast

import faust
from faust_microbatch import Batch

from txfeatures.domain.topics import DEDUPED, RAW
from txfeatures.kafka import streaming
from txfeatures.kafka.dead_letters import DeadLetters
from txfeatures.process.metrics import Metrics
from txfeatures.process.tracing import OFF, Tracing
from txfeatures_dedup import logic
from txfeatures_dedup.seen import Seen
from txfeatures_dedup.settings import Settings

NAME = "dedup"

CLOCK = b"clock"
"""Key of the partition's clock, which is kept among the hashes."""

FORGOTTEN_AT_A_TIME = 5000
"""Hashes removed with one batch: what is forgotten in bundles must not hold up a batch."""


def create_app(
    settings: Settings, *, partitions: int, metrics: Metrics, tracing: Tracing = OFF
) -> faust.App:
    """Return the app.

    Args:
        settings: Settings of dedup.
        partitions: Number of partitions of ``raw``; ``deduped`` must have as many.
        metrics: Where to count.
        tracing: Where batches are traced.
    """
    app = streaming.create_app(NAME, settings, metrics=metrics)
    dead_letters = DeadLetters(
        limit=settings.dead_letter_limit,
        max_record_bytes=settings.kafka.max_record_bytes,
        metrics=metrics,
    )
    seen = streaming.table(app, "seen", partitions=partitions, store=Seen)
    remember_ms = settings.remember_s * 1000
    slack_ms = remember_ms // logic.GRANULES

    @app.agent(app.topic(RAW))
    async def dedup(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            with tracing.process(batch.records, group=NAME):
                memory = seen.of(batch)
                store = cast("Seen", memory.store)
                clock_ms = store.get(CLOCK)
                outcome = logic.dedup(
                    store,
                    batch.records,
                    remember_ms=remember_ms,
                    clock_ms=clock_ms,
                    max_record_bytes=settings.kafka.max_record_bytes,
                )
                # To the partition of the same number, in the same order.
                batch.send(DEDUPED, outcome.forwarded, partition=batch.partition)
                dead_letters.bury(batch, outcome.dead)
                memory.put(outcome.sightings)
                if outcome.clock_ms != clock_ms:
                    memory.put({CLOCK: outcome.clock_ms})
                # A forgotten hash counts as new by its time alone. It is removed only when no
                # later record can need it, also of another poller whose clock is behind. The
                # time of a dead letter alone is no reason.
                times_ms = (record.timestamp_ms for record in batch.records)
                oldest_ms = min(outcome.clock_ms, *times_ms)
                memory.remove(store.forgotten(oldest_ms - slack_ms, FORGOTTEN_AT_A_TIME))
                metrics.count("duplicates_total", outcome.duplicates)
                partition = str(batch.partition)
                hashes = len(store) - (CLOCK in store)
                metrics.set("remembered_hashes", hashes, partition=partition)
                newest_s = batch.records[-1].timestamp_ms / 1000
                metrics.set("partition_time_seconds", newest_s, partition=partition)

    return app
