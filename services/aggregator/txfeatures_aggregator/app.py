"""The aggregator as a Faust app: two stages, each an agent with its tables.

``fold`` runs once per partition of ``deduped`` and publishes its folds on ``partials``.
``unite`` runs once in all, on the single partitions of ``partials`` and
``feed``, and sends the rows.
"""

from collections.abc import AsyncIterator, Sequence

import faust
from faust_microbatch import Batch

from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.features import EVENT_TIME, RECORD_IDENTIFIER, Declaration
from txfeatures.domain.model import (
    Headers,
    Heartbeat,
    KafkaRecord,
    OutgoingRecord,
    Partial,
    PartitionUpdate,
)
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, LATE, PARTIALS
from txfeatures.kafka import streaming
from txfeatures.kafka.dead_letters import DeadLetters
from txfeatures.kafka.streaming import StructTable
from txfeatures.process.logs import get_logger
from txfeatures.process.metrics import Metrics
from txfeatures.process.tracing import OFF, Tracing
from txfeatures_aggregator import logic
from txfeatures_aggregator.logic import FoldOutcome, Progress
from txfeatures_aggregator.merge import MergeOutcome, merge
from txfeatures_aggregator.settings import Settings
from txfeatures_aggregator.state import Frontier, Minute

NAME = "aggregator"
ONLY = 0
"""Key of a value that a partition has only one of."""

log = get_logger(__name__)


def create_app(
    settings: Settings,
    *,
    declaration: Declaration,
    partitions: int,
    metrics: Metrics,
    tracing: Tracing = OFF,
) -> faust.App:
    """Return the app.

    Args:
        settings: Settings of the aggregator.
        declaration: The declared features.
        partitions: Number of partitions of ``deduped``.
        metrics: Where to count.
        tracing: Where batches are traced.
    """
    app = streaming.create_app(NAME, settings, metrics=metrics)
    dead_letters = DeadLetters(
        limit=settings.dead_letter_limit,
        max_record_bytes=settings.kafka.max_record_bytes,
        metrics=metrics,
    )
    folds = streaming.table(app, "folds", partitions=partitions)
    merged = streaming.table(app, "merged", partitions=1)

    @app.agent(app.topic(DEDUPED))
    async def fold(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            with tracing.process(batch.records, group=NAME) as trace:
                table = folds.of(batch)
                progresses = StructTable(table, Progress, "progress/")
                partials = StructTable(table, Partial, "partial/")
                outcome = logic.fold(
                    progresses.get(ONLY) or Progress(),
                    partials,
                    batch.records,
                    partition=batch.partition,
                    partitions=partitions,
                    rules=settings,
                    declaration=declaration,
                )
                polls = wire.oldest_fetch(outcome.ticks)
                batch.send(PARTIALS, trace.mark(updates(outcome, polls)))
                batch.send(LATE, uncounted(outcome), partition=batch.partition)
                dead_letters.bury(batch, outcome.dead)
                streaming.apply(partials, outcome.changed, outcome.forgotten)
                progresses[ONLY] = outcome.progress
                _count_fold(metrics, outcome, partition=batch.partition)

    @app.agent(app.topic(PARTIALS, FEED))
    async def unite(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            with tracing.process(batch.records, group=NAME) as trace:
                table = merged.of(batch)
                frontiers = StructTable(table, Frontier, "frontier/")
                minutes = StructTable(table, Minute, "minute/")
                frontier = frontiers.get(ONLY) or Frontier()
                outcome = merge(
                    frontier,
                    minutes,
                    messages(batch.records),
                    rules=settings,
                    declaration=declaration,
                )
                polls = wire.oldest_fetch(batch.records)
                batch.send(AGGREGATED, trace.mark(rows(outcome, declaration, polls)))
                streaming.apply(minutes, outcome.changed, outcome.forgotten)
                if outcome.frontier != frontier:
                    frontiers[ONLY] = outcome.frontier
                _count_merge(metrics, outcome)

    return app


def updates(outcome: FoldOutcome, polls: Headers = ()) -> list[OutgoingRecord]:
    """Return the updates of the first stage, for ``partials``; ``polls`` is of the oldest poll."""
    return [
        OutgoingRecord(
            topic=PARTIALS,
            key=str(update.partition).encode(),
            value=wire.encode_update(update),
            timestamp_ms=update.feed_time_ms,
            headers=polls,
        )
        for update in outcome.updates
    ]


def uncounted(outcome: FoldOutcome) -> list[OutgoingRecord]:
    """Return the transactions that the first stage did not count, for ``late``, with the reason."""
    return [
        OutgoingRecord(
            topic=LATE,
            key=record.key,
            value=record.value,
            timestamp_ms=record.timestamp_ms,
            headers=(*record.headers, (wire.REASON_HEADER, reason.encode())),
        )
        for record, reason in outcome.uncounted
    ]


def rows(
    outcome: MergeOutcome, declaration: Declaration, polls: Headers = ()
) -> list[OutgoingRecord]:
    """Return the rows of the second stage, for ``aggregated``, with their declaration.

    Args:
        outcome: The merge of a batch.
        declaration: The declared features.
        polls: The header of the oldest poll in the batch.
    """
    made_by = ((wire.DECLARATION_HEADER, declaration.fingerprint.encode()),)
    return [
        OutgoingRecord(
            topic=AGGREGATED,
            key=str(merged.row[RECORD_IDENTIFIER]).encode(),
            value=wire.encode_row(merged.row),
            timestamp_ms=round(float(merged.row[EVENT_TIME]) * 1000),
            headers=(*made_by, *polls),
        )
        for merged in outcome.rows
    ]


def messages(records: Sequence[KafkaRecord]) -> list[PartitionUpdate | Heartbeat]:
    """Read records of ``partials`` or ``feed``; skip those that this release can't read.

    Both are our own: a heartbeat is worth less than the service, and a partial is
    absolute, so that the next one of its partition makes up for it.
    """
    found: list[PartitionUpdate | Heartbeat] = []
    for record in records:
        decode = wire.decode_heartbeat if record.topic == FEED else wire.decode_update
        try:
            found.append(decode(record.value))
        except InvalidMessageError as error:
            log.error(
                "unreadable_record", topic=record.topic, offset=record.offset, error=str(error)
            )
    return found


def _count_fold(metrics: Metrics, outcome: FoldOutcome, *, partition: int) -> None:
    metrics.count("folded_transactions_total", outcome.folded)
    metrics.count("ticks_total", len(outcome.ticks))
    metrics.count("late_transactions_total", outcome.late, outcome="counted")
    for _, reason in outcome.uncounted:
        metrics.count("late_transactions_total", outcome=reason)
    feed_time_s = outcome.progress.feed_time_ms / 1000
    metrics.set("partition_time_seconds", feed_time_s, partition=str(partition))


def _count_merge(metrics: Metrics, outcome: MergeOutcome) -> None:
    for merged in outcome.rows:
        metrics.count("rows_total", kind=merged.kind)
    for error in outcome.overflows:
        metrics.count("overflows_total")
        log.error("row_withheld", error=str(error))
    metrics.set("watermark_time_seconds", outcome.frontier.watermark_s)
    metrics.set("feed_time_seconds", outcome.frontier.any_ms / 1000)
