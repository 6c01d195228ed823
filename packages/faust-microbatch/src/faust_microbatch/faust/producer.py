"""Faust's producer: records go into the outbox of the current batch."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from faust.transport.producer import Producer as FaustProducer
from faust.types import TP, FutureMessage, RecordMetadata

from faust_microbatch.engine.records import Outgoing
from faust_microbatch.faust.tables import current_batch

UNKNOWN_OFFSET = -1
"""A record's offset is not known before its transaction is made, after the agent went on."""


class Producer(FaustProducer):
    """Serves Faust's per-record calls; see `Batch.send` for the quick way."""

    async def on_start(self) -> None:
        """Start nothing: the transactions have a thread of their own."""

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,  # noqa: ARG002 - Faust's signature
    ) -> Awaitable[RecordMetadata]:
        """Put a record into the outbox; the result is there at once, without an offset."""
        sent: asyncio.Future[RecordMetadata] = asyncio.Future()
        sent.set_result(await self.send_and_wait(topic, key, value, partition, timestamp, headers))
        return sent

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,  # noqa: ARG002 - Faust's signature
    ) -> RecordMetadata:
        """Put a record into the outbox."""
        return _put(topic, key, value, partition, timestamp, headers)

    def send_soon(self, fut: FutureMessage) -> None:
        """Put a record into the outbox, from code that is not a coroutine."""
        message = fut.message
        fut.set_result(
            _put(
                message.channel.get_topic_name(),
                message.key,
                message.value,
                message.partition,
                message.timestamp,
                message.headers,
            )
        )

    async def create_topic(
        self,
        topic: str,
        partitions: int,
        replication: int,
        *,
        config: Mapping[str, Any] | None = None,
        compacting: bool | None = None,
        **_: Any,
    ) -> None:
        """Make a topic if it is missing."""
        settings = {**(config or {}), **({"cleanup.policy": "compact"} if compacting else {})}
        new = NewTopic(topic, partitions, replication, config=settings)
        app: Any = self.app
        admin = AdminClient(app.microbatch.client())
        try:
            await asyncio.to_thread(admin.create_topics([new])[topic].result)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise

    def supports_headers(self) -> bool:
        """Headers are sent as they are."""
        return True


def _put(
    topic: str,
    key: bytes | None,
    value: bytes | None,
    partition: int | None,
    timestamp: float | None,
    headers: Any,
) -> RecordMetadata:
    pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    timestamp_ms = round(timestamp * 1000) if timestamp else 0
    record = Outgoing(key, value, timestamp_ms, pairs)
    current_batch().send(topic, [record], partition=partition)
    number = -1 if partition is None else partition
    return RecordMetadata(topic, number, TP(topic, number), UNKNOWN_OFFSET)
