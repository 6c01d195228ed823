"""Tables from their changelogs.

Read committed, up to the high watermark: a transaction that is still open when recovery
starts hides the records behind it, so the end is the last record written, not the last one
that may be read yet. The caller has fenced the former owner: it can't commit any more.

A changelog is compacted, which keeps the offset of its beginning at 0. One that begins later has
lost records that no compaction removed, and a table made from the rest would be wrong.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from faust_microbatch.engine.clients import Clients
from faust_microbatch.engine.records import Partition
from faust_microbatch.engine.stores import Store
from faust_microbatch.errors import MicrobatchError

READ_RECORDS = 10_000
READ_TIMEOUT_S = 0.05
METADATA_TIMEOUT_S = 10.0
RETRY_S = 0.1

_PASSING = {
    KafkaError._TIMED_OUT,  # noqa: SLF001 - the client's public names
    KafkaError._TRANSPORT,  # noqa: SLF001
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.REQUEST_TIMED_OUT,
}
"""Codes that time heals. ``retriable()`` is set on errors of transactions only."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """A partition of a changelog and the empty store that is to hold it."""

    changelog: Partition
    store: Store[Any]


def restore(
    restorations: Sequence[Restoration], clients: Clients, *, give_up: threading.Event
) -> int:
    """Fill the stores; return the number of records read.

    Args:
        restorations: Partitions of changelogs and their stores.
        clients: Makes the clients.
        give_up: Set from another thread to stop early; the stores are then incomplete.

    Raises:
        KafkaException: The changelogs can't be read.
        MicrobatchError: The first records of a changelog were deleted.
    """
    by_topic: dict[str, dict[int, Store[Any]]] = {}
    for each in restorations:
        topic, number = each.changelog
        by_topic.setdefault(topic, {})[number] = each.store
    if not by_topic:
        return 0
    admin = clients.admin()  # one for all: a login by token takes it a second
    return sum(
        _restore_topic(topic, stores, clients, admin, give_up) for topic, stores in by_topic.items()
    )


def _restore_topic(
    topic: str,
    stores: Mapping[int, Store[Any]],
    clients: Clients,
    admin: AdminClient,
    give_up: threading.Event,
) -> int:
    ends = _offsets(OffsetSpec.latest(), topic, list(stores), admin, give_up)
    _require_whole(topic, _offsets(OffsetSpec.earliest(), topic, list(stores), admin, give_up))
    consumer = clients.reader()
    try:
        consumer.list_topics(topic, METADATA_TIMEOUT_S)  # or the first read waits half a second
        consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in sorted(stores)])
        return _read(consumer, stores, ends, give_up)
    finally:
        consumer.close()


def _read(
    consumer: Consumer,
    stores: Mapping[int, Store[Any]],
    ends: dict[int, int],
    give_up: threading.Event,
) -> int:
    total = 0
    while ends and not give_up.is_set():
        by_partition: dict[int, list[Message]] = {number: [] for number in stores}
        for message in consumer.consume(READ_RECORDS, READ_TIMEOUT_S):
            number: Any = message.partition()
            error = message.error()
            if error is None:
                by_partition[number].append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                if (message.offset() or 0) >= ends.get(number, 0):
                    ends.pop(number, None)
            elif error.fatal() or error.code() not in _PASSING:
                raise KafkaException(error)
            else:
                log.warning("a changelog can't be read now: %s", error.str())
        for number, own in by_partition.items():
            changes: Any = zip(map(Message.key, own), map(Message.value, own), strict=True)
            stores[number].restore(changes)
            total += len(own)
    return total


def _require_whole(topic: str, beginnings: Mapping[int, int]) -> None:
    for number, offset in sorted(beginnings.items()):
        if offset > 0:
            raise MicrobatchError(
                f"partition {number} of the changelog {topic} begins at offset {offset}: its first "
                "records were deleted, and a table made from the rest would be wrong; restore the "
                "topic from a copy, or delete the application's changelogs, outputs and committed "
                "offsets and let it read its sources from their beginning, and see that the "
                "topic's cleanup.policy is compact alone"
            )


def _offsets(
    spec: OffsetSpec,
    topic: str,
    numbers: Sequence[int],
    admin: AdminClient,
    give_up: threading.Event,
) -> dict[int, int]:
    """Return an offset of each partition, open transactions included; retry until all are known."""
    found: dict[int, int] = {}
    while len(found) < len(numbers) and not give_up.is_set():
        missing = [TopicPartition(topic, number) for number in numbers if number not in found]
        answers = admin.list_offsets(
            dict.fromkeys(missing, spec), isolation_level=IsolationLevel.READ_UNCOMMITTED
        )
        for part, answer in answers.items():
            try:
                found[part.partition] = answer.result().offset
            except KafkaException as error:
                if error.args[0].code() not in _PASSING:
                    raise
                log.info("an offset of %s is not known yet: %s", part, error)
                give_up.wait(RETRY_S)
    return found
