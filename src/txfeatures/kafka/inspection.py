"""The state of Kafka: the cluster, the topics, their effective configuration; all read only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource

from txfeatures.domain.errors import FatalError, TransientError, TxFeaturesError
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.security import Refusals
from txfeatures.process.settings import KafkaSettings

_REFUSED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The brokers that answer for a cluster.

    Attributes:
        id: The cluster's id.
        brokers: Number of brokers that are up.
    """

    id: str
    brokers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTopic:
    """An existing topic.

    Attributes:
        partitions: Number of partitions.
        replicas: Number of replicas of the partition with the fewest.
        lagging: Partitions of which a replica is not in sync.
        leaderless: Partitions without a leader, which can be neither read nor written.
    """

    partitions: int
    replicas: int
    lagging: int
    leaderless: int


class Inspector:
    """Reads the state of a cluster.

    Args:
        settings: The way to the brokers.

    Raises:
        FatalError: The client can't be made.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._connection = connection(settings)
        self._refusals: Refusals = self._connection["error_cb"]
        self._client = open_client(AdminClient, self._connection)

    def cluster(self) -> Cluster:
        """Return the cluster; TransientError if no broker answers."""
        try:
            found = self._client.list_topics(timeout=METADATA_TIMEOUT_S)
        except KafkaException as error:
            raise self._error(error, "") from error
        return Cluster(id=str(found.cluster_id), brokers=len(found.brokers))

    def topics(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        """Return those of ``names`` that exist.

        Raises:
            FatalError: The right to describe a topic is missing.
            TransientError: The brokers don't answer.
        """
        answers = self._client.describe_topics(
            TopicCollection(list(names)), request_timeout=METADATA_TIMEOUT_S
        )
        found: dict[str, FoundTopic] = {}
        for name, answer in answers.items():
            try:
                partitions = answer.result().partitions
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    continue
                right = f"Describe on topic {name} (MSK: kafka-cluster:DescribeTopic)"
                raise self._error(error, right) from error
            found[name] = FoundTopic(
                partitions=len(partitions),
                replicas=min(len(each.replicas) for each in partitions),
                lagging=sum(len(each.isr) < len(each.replicas) for each in partitions),
                leaderless=sum(each.leader is None or each.leader.id < 0 for each in partitions),
            )
        return found

    def configurations(self, names: Collection[str]) -> dict[str, Mapping[str, str]]:
        """Return the effective configuration of each topic, the brokers' defaults included.

        Raises:
            FatalError: The right to describe a configuration is missing.
            TransientError: The brokers don't answer.
        """
        answers = self._client.describe_configs(
            [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names],
            request_timeout=METADATA_TIMEOUT_S,
        )
        found: dict[str, Mapping[str, str]] = {}
        for resource, answer in answers.items():
            try:
                entries = answer.result()
            except KafkaException as error:
                right = (
                    f"DescribeConfigs on topic {resource.name} "
                    "(MSK: kafka-cluster:DescribeTopicDynamicConfiguration)"
                )
                raise self._error(error, right) from error
            found[resource.name] = {name: str(entry.value) for name, entry in entries.items()}
        return found

    def members(self, groups: Sequence[str]) -> dict[str, int]:
        """Return the number of members of each consumer group, 0 if it does not exist.

        Raises:
            FatalError: The right to describe a group is missing.
            TransientError: The brokers don't answer, or the group has no coordinator yet.
        """
        answers = self._client.describe_consumer_groups(
            list(groups), request_timeout=METADATA_TIMEOUT_S
        )
        found: dict[str, int] = {}
        for group, answer in answers.items():
            try:
                found[group] = len(answer.result().members)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                    found[group] = 0
                    continue
                right = f"Describe on group {group} (MSK: kafka-cluster:DescribeGroup)"
                raise self._error(error, right) from error
        return found

    def _error(self, error: KafkaException, right: str) -> TxFeaturesError:
        if error.args[0].code() in _REFUSED:
            return FatalError(f"Kafka refuses it: this login lacks {right}; grant it")
        return TransientError(self._refusals.message(error, self._client.poll))
