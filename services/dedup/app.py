"""dedup as a Faust app: an agent on ``raw``, a table of what was seen."""

from typing import Any

import faust

from services.dedup import logic
from services.dedup.settings import Settings
from txfeatures import streaming, wire
from txfeatures.metrics import Metrics
from txfeatures.model import OutgoingRecord, Record
from txfeatures.topics import DEDUPED, RAW, dead_letter_topic

NAME = "dedup"


def create_app(settings: Settings, *, partitions: int, metrics: Metrics) -> faust.App:
    """Return the app.

    Args:
        settings: What dedup was told.
        partitions: How many ``raw`` has; ``deduped`` must have as many.
        metrics: Where to count.
    """
    app = streaming.create_app(NAME, settings.kafka, partitions=partitions)
    raw = streaming.topic(app, RAW)
    outputs = {name: streaming.topic(app, name) for name in (DEDUPED, dead_letter_topic(RAW))}
    seen = app.Table("seen", partitions=partitions, key_type=bytes, value_type=int)
    remember_ms = settings.remember_s * 1000

    @app.agent(raw)
    async def dedup(stream: Any) -> None:
        async for event in stream.events():
            with streaming.crash_only():
                record = streaming.to_record(event.message)
                outcome = logic.dedup(seen, [record], remember_ms=remember_ms)
                await streaming.send(outputs, outgoing(outcome), metrics=metrics)
                seen.update(outcome.sightings)
                _count(metrics, [record], outcome, remembered=len(seen))

    return app


def outgoing(outcome: logic.Outcome) -> list[OutgoingRecord]:
    """Return what is to be sent for ``outcome``: to the same partition, with the same clock."""
    return [
        *(_forward(record) for record in outcome.forwarded),
        *(wire.dead_letter(record, error) for record, error in outcome.dead),
    ]


def _forward(record: Record) -> OutgoingRecord:
    return OutgoingRecord(
        topic=DEDUPED,
        partition=record.partition,
        key=record.key,
        value=record.value,
        timestamp_ms=record.timestamp_ms,
        headers=record.headers,
    )


def _count(
    metrics: Metrics, records: list[Record], outcome: logic.Outcome, *, remembered: int
) -> None:
    metrics.count_flow("in", RAW, (record.size_bytes for record in records))
    metrics.count("duplicates_total", outcome.duplicates)
    metrics.set("remembered_hashes", remembered)
    streaming.count_dead(metrics, outcome.dead)
