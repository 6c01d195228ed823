"""Kafka for operators: the creation of topics, and the committed offsets of groups."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
    Uuid,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.topics import (
    OPTIONAL_CONFIG,
    BrokerKind,
    Topic,
    refusal_of_partitions,
)
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.consumer import committed_offsets, open_consumer
from txfeatures.kafka.rights import CREATE, missing_right
from txfeatures.kafka.security import Refusals
from txfeatures.process.clock import Clock, SystemClock
from txfeatures.process.logs import get_logger
from txfeatures.process.settings import KafkaSettings

TOPIC_ID_TIMEOUT_S = 3.0
"""Short, so that a service which asks again and again notices a stop in between."""

_NO_ID = str(Uuid(0, 0))
_URL_SAFE = str.maketrans("+/", "-_")  # as Kafka writes an id; librdkafka does not
log = get_logger(__name__)

VISIBLE_TIMEOUT_S: Final = 30.0
"""Seconds until brokers must list a topic that was made."""
VISIBLE_RETRY_S: Final = 0.1


class KafkaAdmin:
    """An admin client, whose calls wait for the brokers and raise if they don't answer."""

    def __init__(self, settings: KafkaSettings, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._connection = connection(settings)
        self._max_record_bytes = settings.max_record_bytes
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
        self,
        topics: Sequence[Topic],
        *,
        partitions: int,
        replication: int,
        keep_forever: bool,
        kind: BrokerKind = "standard",
    ) -> list[str]:
        """Make the topics that are missing, wait until they can be used, and return their names.

        Args:
            topics: All topics.
            partitions: Partitions of those that scale.
            replication: Replicas of each.
            keep_forever: Keep their records for ever.
            kind: The brokers, which accept properties of their kind only.

        Raises:
            FatalError: A topic exists with another number of partitions (keys would move
                to other partitions, and dedup would forget them), or a broker refused.
            TransientError: The brokers don't answer, or don't show the new topics.
        """
        existing = self.partitions()
        counts = {topic.name: partitions if topic.scales else 1 for topic in topics}
        _require_counts(topics, existing, counts)
        new = [topic for topic in topics if topic.name not in existing]
        if not new:
            return []

        def request(topic: Topic, left_out: Collection[str]) -> NewTopic:
            config = topic.config(
                keep_forever=keep_forever,
                replication=replication,
                kind=kind,
                max_record_bytes=self._max_record_bytes,
            )
            return NewTopic(
                topic.name,
                num_partitions=counts[topic.name],
                replication_factor=replication,
                config={name: value for name, value in config.items() if name not in left_out},
            )

        if self._make([request(topic, ()) for topic in new]):
            log.warning("topic_config_left_out", names=sorted(OPTIONAL_CONFIG))
            self._make([request(topic, OPTIONAL_CONFIG) for topic in new])
        self._await({topic.name: counts[topic.name] for topic in new})
        return [topic.name for topic in new]

    def _make(self, new: Sequence[NewTopic]) -> bool:
        """Create topics; return True if the brokers don't know a configuration that is optional."""
        is_unknown = False
        for name, future in self._client.create_topics(list(new)).items():
            try:
                future.result()
            except KafkaException as error:
                reason: KafkaError = error.args[0]
                if reason.code() == KafkaError.INVALID_CONFIG and any(
                    f"Unknown topic config name: {option}" in reason.str()
                    and option in (new[0].config or {})
                    for option in OPTIONAL_CONFIG
                ):
                    is_unknown = True
                elif reason.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise FatalError(
                        f"topic {name} was not made: {_refusal(name, reason)}"
                    ) from error
        return is_unknown

    def _await(self, counts: Mapping[str, int]) -> None:
        """Wait until every broker that answers lists all partitions, each with a leader."""
        deadline_s = self._clock.monotonic() + VISIBLE_TIMEOUT_S
        never = threading.Event()
        for client in self._brokers():
            while missing := _unseen(client, counts):
                if self._clock.monotonic() >= deadline_s:
                    raise TransientError(
                        f"topics {', '.join(missing)} were made, yet not every broker lists them "
                        f"with a leader after {VISIBLE_TIMEOUT_S:.0f} s; run it again"
                    )
                self._clock.wait(never, VISIBLE_RETRY_S)

    def _brokers(self) -> Iterator[AdminClient]:
        # A broker learns of a topic when it has caught up with the controller, each in its time.
        try:
            brokers = self._client.list_topics(timeout=METADATA_TIMEOUT_S).brokers
        except KafkaException as error:
            raise TransientError(self._refusals.message(error, self._client.poll)) from error
        for broker in brokers.values():
            address = f"{broker.host}:{broker.port}"
            yield open_client(AdminClient, {**self._connection, "bootstrap.servers": address})

    def topic_id(self, topic: str) -> str:
        """Return the id that the brokers gave to a topic when it was made, as Kafka writes it.

        Raises:
            FatalError: The brokers are too old to have given one.
            TransientError: The brokers don't answer, or the topic is not there.
        """
        asked = self._client.describe_topics(
            TopicCollection([topic]), request_timeout=TOPIC_ID_TIMEOUT_S
        )
        try:
            found = str(asked[topic].result().topic_id).translate(_URL_SAFE)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise TransientError(_absent(topic)) from error
            raise TransientError(self._refusals.message(error, self._client.poll)) from error
        if found == _NO_ID:
            raise FatalError(
                f"the brokers give topic {topic} no id, without which one that is made anew "
                "can't be told from it; Kafka does so from 2.8 on"
            )
        return found

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the committed offset of each partition of ``topic`` for ``group``.

        Raises:
            TransientError: The brokers don't answer, or the topic is not there.
        """
        # Through a consumer that never joins: the admin client's own call ends the process
        # with SIGSEGV when the group's coordinator has moved (librdkafka issue 5040).
        reader = self._readers.get(group) or self._readers.setdefault(group, self._reader(group))
        partitions = [TopicPartition(topic, number) for number in range(self._count(topic))]
        found = committed_offsets(reader, partitions)
        return {number: offset for (_, number), offset in found.items()}

    def beginnings(self, topic: str) -> dict[int, int]:
        """Return the offset of the first record that each partition of ``topic`` still has.

        Raises:
            TransientError: The brokers don't answer, or the topic is not there.
        """
        asked = self._client.list_offsets(
            {
                TopicPartition(topic, number): OffsetSpec.earliest()
                for number in range(self._count(topic))
            },
            request_timeout=METADATA_TIMEOUT_S,
        )
        try:
            return {p.partition: answer.result().offset for p, answer in asked.items()}
        except KafkaException as error:
            raise TransientError(self._refusals.message(error, self._client.poll)) from error

    def ends(self, topics: Collection[str]) -> dict[str, dict[int, int]]:
        """Return the end of each partition of ``topics`` for read-committed consumers.

        Raises:
            TransientError: The brokers don't answer, or a topic is not there.
        """
        counts = self.partitions()
        if absent := [topic for topic in topics if topic not in counts]:
            raise TransientError(_absent(absent[0]))
        asked = self._client.list_offsets(
            {
                TopicPartition(topic, number): OffsetSpec.latest()
                for topic in topics
                for number in range(counts[topic])
            },
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=METADATA_TIMEOUT_S,
        )
        found: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        try:
            for partition, answer in asked.items():
                found[partition.topic][partition.partition] = answer.result().offset
        except KafkaException as error:
            raise TransientError(self._refusals.message(error, self._client.poll)) from error
        return found

    def close(self) -> None:
        """Close the connections that read offsets."""
        for reader in self._readers.values():
            reader.close()

    def _count(self, topic: str) -> int:
        counts = self.partitions()
        if topic not in counts:
            raise TransientError(_absent(topic))
        return counts[topic]

    def _reader(self, group: str) -> Consumer:
        return open_consumer(self._connection, group=group)


def _refusal(topic: str, reason: KafkaError) -> str:
    if denied := missing_right(reason, (CREATE, topic)):
        return denied
    if reason.code() in {KafkaError.INVALID_CONFIG, KafkaError.POLICY_VIOLATION}:
        return (
            f"{reason.str()}; brokers of MSK accept properties of their kind only, which "
            "TXF_BOOTSTRAP_BROKER_KIND names"
        )
    return reason.str()


def _absent(topic: str) -> str:
    return f"topic {topic} is not there; run `txfeatures bootstrap`"


def _require_counts(
    topics: Sequence[Topic], existing: Mapping[str, int], counts: Mapping[str, int]
) -> None:
    differing = [t for t in topics if existing.get(t.name, counts[t.name]) != counts[t.name]]
    if not differing:
        return
    scaling = {t.name: existing[t.name] for t in topics if t.scales and t.name in existing}
    if reason := refusal_of_partitions(scaling):
        raise FatalError(reason)
    name = differing[0].name
    raise FatalError(
        f"topic {name} has {existing[name]} partitions, not {counts[name]}; set "
        "TXF_BOOTSTRAP_PARTITIONS to what there is, or start with new topics"
    )


def _unseen(client: AdminClient, counts: Mapping[str, int]) -> list[str]:
    try:
        found = client.list_topics(timeout=METADATA_TIMEOUT_S).topics
    except KafkaException:
        return []  # a broker that is down learns of them before it serves again
    return [
        name
        for name, count in counts.items()
        if name not in found
        or found[name].error
        or sum(p.leader >= 0 for p in found[name].partitions.values()) != count
    ]
