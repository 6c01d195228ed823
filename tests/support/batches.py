"""Batches of `faust_microbatch` as its consumer makes them, and agents that work on them."""

import asyncio
from collections.abc import AsyncIterator

import faust
from confluent_kafka import TIMESTAMP_CREATE_TIME, Message
from faust_microbatch import Batch

from txfeatures.domain.model import Record


def batch_of(*records: Record) -> Batch:
    """Return records of one partition as a batch."""
    first = records[0]
    messages = [
        Message(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            headers=list(record.headers),
            timestamp=(TIMESTAMP_CREATE_TIME, record.timestamp_ms),
        )
        for record in records
    ]
    return Batch(first.topic, first.partition, messages, start=first.offset)


def work(app: faust.App, agent: str, *records: Record) -> Batch:
    """Let an agent work on one batch; return it. The app's tables live on to the next one."""
    batch = batch_of(*records)

    async def stream() -> AsyncIterator[Batch]:
        yield batch

    for table in app.tables.values():
        table.renew({batch.partition} - table.data.by_number.keys())
    [found] = [a for name, a in app.agents.items() if name.endswith(f".{agent}")]
    asyncio.run(found.fun(stream()))
    return batch
