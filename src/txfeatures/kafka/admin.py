"""Kafka for operators: the creation of topics, and the committed offsets of groups."""

from collections.abc import Sequence

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.topics import Topic
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.security import Refusals
from txfeatures.process.settings import KafkaSettings


class KafkaAdmin:
    """An admin client, whose calls wait for the brokers and raise if they don't answer."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._connection = connection(settings)
        self._refusals: Refusals = self._connection["error_cb"]
        self._readers: dict[str, Consumer] = {}
        self._client = open_client(AdminClient, self._connection)

    def partitions(self) -> dict[str, int]:
        """Return the number of partitions of each existing topic.

        Raises:
            TransientError: The brokers don't answer, or refuse us.
        """
        try:
            found = self._client.list_topics(timeout=METADATA_TIMEOUT_S).topics
        except KafkaException as error:
            raise TransientError(self._refusals.message(error, self._client.poll)) from error
        return {name: len(topic.partitions) for name, topic in found.items()}

    def create(
        self, topics: Sequence[Topic], *, partitions: int, replication: int, keep_forever: bool
    ) -> list[str]:
        """Make the topics that are missing and return their names.

        Raises:
            FatalError: A topic exists with another number of partitions (keys would move
                to other partitions, and dedup would forget them), or a broker refused.
            TransientError: The brokers don't answer.
        """
        existing = self.partitions()
        wanted = {topic.name: partitions if topic.scales else 1 for topic in topics}
        for name, count in wanted.items():
            if existing.get(name, count) != count:
                raise FatalError(
                    f"topic {name} has {existing[name]} partitions, not {count}; set "
                    "TXF_BOOTSTRAP_PARTITIONS to what there is, or start with new topics"
                )
        new = [
            NewTopic(
                topic.name,
                num_partitions=wanted[topic.name],
                replication_factor=replication,
                config=topic.config(keep_forever=keep_forever),
            )
            for topic in topics
            if topic.name not in existing
        ]
        if new:
            for name, future in self._client.create_topics(new).items():
                try:
                    future.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise FatalError(f"topic {name} was not made: {error}") from error
        return [topic.topic for topic in new]

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the committed offset of each partition of ``topic`` for ``group``.

        Raises:
            TransientError: The brokers don't answer, or the topic is not there.
        """
        # Through a consumer that never joins: the admin client's own call ends the process
        # with SIGSEGV when the group's coordinator has moved (librdkafka issue 5040).
        reader = self._readers.get(group) or self._readers.setdefault(group, self._reader(group))
        try:
            found = reader.committed(
                [TopicPartition(topic, number) for number in range(self._count(topic))],
                timeout=METADATA_TIMEOUT_S,
            )
        except KafkaException as error:
            raise TransientError(f"the offsets of {group} are not known: {error}") from error
        if errors := [found_one.error for found_one in found if found_one.error]:
            raise TransientError(f"the offsets of {group} are not known: {errors[0]}")
        return {p.partition: p.offset for p in found if p.offset >= 0}

    def close(self) -> None:
        """Close the connections that read offsets."""
        for reader in self._readers.values():
            reader.close()

    def _count(self, topic: str) -> int:
        counts = self.partitions()
        if topic not in counts:
            raise TransientError(f"topic {topic} is not there; run `txfeatures bootstrap`")
        return counts[topic]

    def _reader(self, group: str) -> Consumer:
        return open_client(
            Consumer, {**self._connection, "group.id": group, "enable.auto.commit": False}
        )
