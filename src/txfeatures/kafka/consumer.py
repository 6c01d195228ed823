"""Kafka's consumers: the properties that all of ours share, and their groups' offsets."""

from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from txfeatures.domain.errors import TransientError
from txfeatures.kafka.client import METADATA_TIMEOUT_S, open_client
from txfeatures.kafka.rights import DESCRIBE, missing_right

Partition = tuple[str, int]
"""Topic and partition number."""


def open_consumer(
    connection: Mapping[str, Any], *, group: str, more: Mapping[str, Any] | None = None
) -> Consumer:
    """Return a consumer, which reads committed records only and commits nothing by itself.

    An offset that is gone is an error of a read: no reader moves on unnoticed.

    Args:
        connection: The properties from `txfeatures.kafka.client.connection`.
        group: Its group.
        more: Its own properties.

    Raises:
        FatalError: The client refuses the properties, or gets no token.
    """
    largest: int = connection["message.max.bytes"]
    return open_client(
        Consumer,
        {
            "max.partition.fetch.bytes": largest,
            "fetch.max.bytes": 2 * largest,
            "queued.max.messages.kbytes": 65_536,
            **connection,
            **(more or {}),
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
        },
    )


def committed_offsets(
    consumer: Consumer, partitions: Sequence[TopicPartition]
) -> dict[Partition, int]:
    """Return the offset that the consumer's group has committed in each partition, if any.

    Raises:
        TransientError: The offset of a partition can't be known now; it may have one.
    """
    try:
        answers = consumer.committed(list(partitions), timeout=METADATA_TIMEOUT_S)
    except KafkaException as error:
        raise TransientError(f"committed offsets are not known: {error}") from error
    for answer in answers:
        if answer.error:
            denied = missing_right(answer.error, (DESCRIBE, answer.topic))
            raise TransientError(f"committed offsets are not known: {denied or answer.error}")
    return {(a.topic, a.partition): a.offset for a in answers if a.offset >= 0}
