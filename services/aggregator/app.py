"""The aggregator as a Faust app: two stages, each an agent with its tables.

``fold`` runs once per partition of ``deduped`` and says on ``partials`` what it has
folded. ``unite`` runs once in all, on the single partitions of ``partials`` and
``feed``, and sends the rows.
"""

from typing import Any

import faust

from services.aggregator import logic
from services.aggregator.logic import FoldOutcome, Progress
from services.aggregator.merge import Frontier, MergeOutcome, Minute, merge
from services.aggregator.settings import Settings
from txfeatures import streaming, wire
from txfeatures.errors import InvalidMessageError
from txfeatures.features import EVENT_TIME, RECORD_IDENTIFIER
from txfeatures.logs import get_logger
from txfeatures.metrics import Metrics
from txfeatures.model import Heartbeat, OutgoingRecord, Partial, PartitionUpdate, Record
from txfeatures.topics import (
    AGGREGATED,
    DEDUPED,
    FEED,
    LATE,
    PARTIALS,
    dead_letter_topic,
)

NAME = "aggregator"
FRONTIER_KEY = 0

log = get_logger(__name__)


def create_app(settings: Settings, *, partitions: int, metrics: Metrics) -> faust.App:
    """Return the app.

    Args:
        settings: What the aggregator was told.
        partitions: How many ``deduped`` has.
        metrics: Where to count.
    """
    app = streaming.create_app(NAME, settings.kafka, partitions=partitions)
    outputs = {
        name: streaming.topic(app, name)
        for name in (PARTIALS, LATE, AGGREGATED, dead_letter_topic(DEDUPED))
    }
    folds = streaming.table(app, "folds", partitions=partitions)
    merged = streaming.table(app, "merged", partitions=1)
    rules = settings.rules

    @app.agent(streaming.topic(app, DEDUPED))
    async def fold(stream: Any) -> None:
        progresses = streaming.StructTable(folds, Progress, "progress/")
        async for event in stream.events():
            with streaming.crash_only():
                record = streaming.to_record(event.message)
                partition = record.partition
                partials = streaming.StructTable(folds, Partial, f"{partition}/")
                outcome = logic.fold(
                    progresses.get(partition),
                    partials,
                    [record],
                    partition=partition,
                    partitions=partitions,
                    rules=rules,
                )
                await streaming.send(outputs, folded(outcome), metrics=metrics)
                streaming.apply(partials, outcome.changed, outcome.forgotten)
                if outcome.progress:
                    progresses[partition] = outcome.progress
                _count_fold(metrics, [record], outcome)

    @app.agent(streaming.topic(app, PARTIALS, FEED))
    async def unite(stream: Any) -> None:
        frontiers = streaming.StructTable(merged, Frontier, "frontier/")
        minutes = streaming.StructTable(merged, Minute, "minute/")
        async for event in stream.events():
            with streaming.crash_only():
                record = streaming.to_record(event.message)
                frontier = frontiers.get(FRONTIER_KEY, Frontier())
                outcome = merge(frontier, minutes, _messages(record), rules=rules)
                await streaming.send(outputs, merged_rows(outcome), metrics=metrics)
                streaming.apply(minutes, outcome.changed, outcome.forgotten)
                if outcome.frontier != frontier:
                    frontiers[FRONTIER_KEY] = outcome.frontier
                _count_merge(metrics, record, outcome)

    return app


def folded(outcome: FoldOutcome) -> list[OutgoingRecord]:
    """Return what the first stage is to send."""
    return [
        *(
            OutgoingRecord(
                topic=PARTIALS,
                key=str(update.partition).encode(),
                value=wire.encode_update(update),
                timestamp_ms=update.feed_time_ms,
            )
            for update in outcome.updates
        ),
        *(_late(record, reason) for record, reason in outcome.uncounted),
        *(wire.dead_letter(record, error) for record, error in outcome.dead),
    ]


def merged_rows(outcome: MergeOutcome) -> list[OutgoingRecord]:
    """Return what the second stage is to send."""
    return [
        OutgoingRecord(
            topic=AGGREGATED,
            key=str(merged.row[RECORD_IDENTIFIER]).encode(),
            value=wire.encode_row(merged.row),
            timestamp_ms=round(float(merged.row[EVENT_TIME]) * 1000),
        )
        for merged in outcome.rows
    ]


def _messages(record: Record) -> list[PartitionUpdate | Heartbeat]:
    """Read a record of ``partials`` or ``feed``; one that this release can't read is passed over.

    Both are our own: a heartbeat is worth less than the service, and a partial is
    absolute, so that the next one of its partition makes up for it.
    """
    try:
        if record.topic == FEED:
            return [wire.decode_heartbeat(record.value)]
        return [wire.decode_update(record.value)]
    except InvalidMessageError as error:
        log.error("unreadable_record", topic=record.topic, offset=record.offset, error=str(error))
        return []


def _late(record: Record, reason: str) -> OutgoingRecord:
    return OutgoingRecord(
        topic=LATE,
        partition=record.partition,
        key=record.key,
        value=record.value,
        timestamp_ms=record.timestamp_ms,
        headers=(*record.headers, (wire.REASON_HEADER, reason.encode())),
    )


def _count_fold(metrics: Metrics, records: list[Record], outcome: FoldOutcome) -> None:
    metrics.count_flow("in", DEDUPED, (record.size_bytes for record in records))
    metrics.count("late_transactions_total", outcome.late, outcome="counted")
    for _, reason in outcome.uncounted:
        metrics.count("late_transactions_total", outcome=reason)
    streaming.count_dead(metrics, outcome.dead)


def _count_merge(metrics: Metrics, record: Record, outcome: MergeOutcome) -> None:
    metrics.count_flow("in", record.topic, [record.size_bytes])
    for merged in outcome.rows:
        metrics.count("rows_total", kind=merged.kind)
    for error in outcome.overflows:
        metrics.count("overflows_total")
        log.error("row_withheld", error=str(error))
    metrics.set("watermark_time_seconds", outcome.frontier.watermark_s)
    metrics.set("feed_time_seconds", outcome.frontier.any_ms / 1000)
