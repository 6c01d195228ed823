"""The state of Kafka: the cluster, the topics and the groups; all read only."""

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from txfeatures.domain.errors import FatalError, TransientError, TxFeaturesError
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.rights import DESCRIBE, DESCRIBE_GROUP, Right, missing_right
from txfeatures.kafka.security import Refusals
from txfeatures.process.settings import KafkaSettings


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
            raise self._error(error) from error
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
                raise self._error(error, (DESCRIBE, name)) from error
            found[name] = FoundTopic(
                partitions=len(partitions),
                replicas=min(len(each.replicas) for each in partitions),
                lagging=sum(len(each.isr) < len(each.replicas) for each in partitions),
                leaderless=sum(each.leader is None or each.leader.id < 0 for each in partitions),
            )
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
                raise self._error(error, (DESCRIBE_GROUP, group)) from error
        return found

    def _error(self, error: KafkaException, *needed: tuple[Right, str]) -> TxFeaturesError:
        if denied := missing_right(error.args[0], *needed):
            return FatalError(denied)
        return TransientError(self._refusals.message(error, self._client.poll))
