"""Kafka for the services: the connection, and acknowledged sends.

Sends are idempotent and acknowledged by all replicas; keys choose partitions by
murmur2, as the Java client does, so that any producer agrees.
"""

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.model import OutgoingRecord
from txfeatures.domain.topics import refusal_of_partitions
from txfeatures.kafka.rights import DESCRIBE, WRITE, WRITE_IDEMPOTENTLY, missing_right
from txfeatures.kafka.security import Refusals, security
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.settings import KafkaSettings

PARTITION_BY_KEY = -1
DELIVERY_TIMEOUT_S = 10.0
METADATA_TIMEOUT_S = 10.0
VERIFY_AFTER_S = 30.0
"""Less than the minutes after which a producer looks for new partitions by itself."""
RECEIVED_MAX_BYTES = 256 * 1024 * 1024

Client = TypeVar("Client")


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the properties that every librdkafka client has: brokers, security, sizes, log.

    They hold passwords: pass them on, never show them.

    Raises:
        FatalError: AWS signs no token for this process, and the brokers want one.
    """
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        # Brokers that are down are tried a few times a second, not twenty; our log reports it.
        "reconnect.backoff.ms": 250,
        "message.max.bytes": settings.max_record_bytes,
        # Any answer: brokers also return a record that is larger than a client asks for.
        "receive.message.max.bytes": RECEIVED_MAX_BYTES,
        "logger": logging.getLogger("librdkafka"),
        "error_cb": Refusals(settings),
        **security(settings),
    }


def open_client(kind: Callable[[dict[str, Any]], Client], properties: dict[str, Any]) -> Client:
    """Return a librdkafka client of ``kind``, its class; ``properties`` hold a `connection`.

    Raises:
        FatalError: It refuses the properties, or gets no token.
    """
    try:
        return kind(properties)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        advice = (
            "see kafka_token_failed in the log"
            if reason.code() == KafkaError.SASL_AUTHENTICATION_FAILED
            else "check the files and passwords that TXF_KAFKA_* name"
        )
        raise FatalError(f"Kafka's client can't be made ({reason.str()}); {advice}") from error


class UndeliveredError(TransientError):
    """Some records, ``records`` in order, were not acknowledged by Kafka."""

    def __init__(self, records: Sequence[OutgoingRecord], detail: str) -> None:
        super().__init__(f"{len(records)} records were not acknowledged: {detail}")
        self.records = records


class KafkaSink:
    """Sends records and returns only when Kafka has acknowledged them.

    Args:
        settings: The way to the brokers.
        client_id: Name of this client.
        alike: Topics that need equally many partitions, verified now and then before a send: a
            producer sends keys to partitions that were added without any notice.
        clock: Paces that.
        properties: Properties of the client that differ from the usual ones.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        client_id: str,
        alike: Collection[str] = (),
        clock: Clock | None = None,
        properties: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._alike = alike
        self._clock = clock or SystemClock()
        self._verify_at_s = -math.inf
        config = {
            **connection(settings),
            "client.id": client_id,
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,
            "message.timeout.ms": int(DELIVERY_TIMEOUT_S * 1000),
            **properties,
        }
        self._refusals: Refusals = config["error_cb"]
        self._producer = open_client(Producer, config)

    def publish(self, records: Sequence[OutgoingRecord]) -> None:
        """Send ``records`` and wait for the acknowledgement of each.

        Raises:
            UndeliveredError: Some were not acknowledged in time; sending those again
                may double them, never lose them.
            FatalError: The producer is beyond repair, or partitions were added to a topic.
        """
        if self._alike and self._clock.monotonic() >= self._verify_at_s:
            self._verify_partitions()
        errors: dict[int, KafkaError | None] = {}

        def on_delivery(index: int) -> Callable[[KafkaError | None, Message], None]:
            def report(error: KafkaError | None, _: Message) -> None:
                if error is None:
                    del errors[index]
                else:
                    # Only kept: a fatal error is pending here, and would be raised by any call.
                    errors[index] = error

            return report

        for index, record in enumerate(records):
            errors[index] = None
            self._produce(record, on_delivery(index))
        self._producer.flush(DELIVERY_TIMEOUT_S * 2)
        if errors:
            unsent = [records[index] for index in sorted(errors)]
            index, error = next(iter(errors.items()))
            raise UndeliveredError(unsent, _reason(records[index], error))

    def partitions(self, topic: str) -> int:
        """Return the number of partitions of ``topic``.

        Raises:
            TransientError: The brokers don't answer, or refuse us.
            FatalError: There is no such topic.
        """
        return partition_count(self._producer, topic, self._refusals)

    def close(self) -> None:
        """Drop the records in flight; callers have their acknowledgements already."""
        self._producer.purge()
        self._producer.flush(1.0)

    def _verify_partitions(self) -> None:
        try:
            found = self._producer.list_topics(timeout=METADATA_TIMEOUT_S).topics
        except KafkaException:
            return  # the send itself reports it
        # Topics that this client may not see are left out.
        counts = {name: len(found[name].partitions) for name in self._alike if name in found}
        if reason := refusal_of_partitions(counts):
            raise FatalError(reason)
        self._verify_at_s = self._clock.monotonic() + VERIFY_AFTER_S

    def _produce(
        self, record: OutgoingRecord, report: Callable[[KafkaError | None, Message], None]
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    record.topic,
                    key=record.key,
                    value=record.value,
                    timestamp=record.timestamp_ms,
                    headers=list(record.headers),
                    on_delivery=report,
                    partition=PARTITION_BY_KEY if record.partition is None else record.partition,
                )
            except BufferError:  # the local queue is full: let acknowledgements make room
                self._producer.poll(0.1)
            except KafkaException as error:
                raise FatalError(f"Kafka's producer refused a record: {error}") from error
            else:
                self._producer.poll(0)
                return


def _reason(record: OutgoingRecord, error: KafkaError | None) -> str:
    """Return why a record was not acknowledged."""
    if error is None:
        return "no answer in time"
    needed = (WRITE, record.topic), (WRITE_IDEMPOTENTLY, "")
    return missing_right(error, *needed) or error.str()


def topic_partitions(settings: KafkaSettings, topic: str) -> int:
    """Return the number of partitions of ``topic``; TransientError or FatalError if unknown."""
    properties = connection(settings)
    return partition_count(open_client(Producer, properties), topic, properties["error_cb"])


def partition_count(
    client: Producer | Consumer,
    topic: str,
    refusals: Refusals,
    *,
    timeout_s: float | None = None,
) -> int:
    """Return the number of partitions of ``topic``, in at most ``timeout_s`` (METADATA_TIMEOUT_S).

    Raises:
        TransientError: The brokers don't answer, refuse us, or don't know it for now.
        FatalError: There is no such topic.
    """
    try:
        found = client.list_topics(topic, timeout=timeout_s or METADATA_TIMEOUT_S).topics[topic]
    except KafkaException as error:
        raise TransientError(refusals.message(error, client.poll)) from error
    if found.error is not None and found.error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
        denied = missing_right(found.error, (DESCRIBE, topic))
        raise TransientError(denied or f"Kafka does not list topic {topic} for now: {found.error}")
    if not found.partitions:
        raise FatalError(f"Kafka has no topic {topic}; run `txfeatures bootstrap` first")
    return len(found.partitions)
