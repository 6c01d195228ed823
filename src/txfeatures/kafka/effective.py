"""The effective configuration of topics and brokers, read from a cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata, ConfigResource, TopicMetadata

from txfeatures.domain.errors import TransientError
from txfeatures.domain.topics import Topic
from txfeatures.kafka.client import METADATA_TIMEOUT_S, connection, open_client
from txfeatures.kafka.rights import (
    DESCRIBE_CLUSTER_CONFIG,
    DESCRIBE_TOPIC_CONFIG,
    Right,
    missing_right,
)
from txfeatures.kafka.safety import Config, TopicState
from txfeatures.kafka.security import Refusals
from txfeatures.process.settings import KafkaSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """The configuration that a cluster applies, as far as this login may read it.

    Attributes:
        topics: The topics that exist, of those wanted.
        brokers: Configuration of each broker, by its number.
        broker_count: Number of brokers.
        denied: The right that is missing, a sentence for each.
    """

    topics: tuple[TopicState, ...]
    brokers: Mapping[int, Config]
    broker_count: int
    denied: tuple[str, ...]


def read_effective(
    settings: KafkaSettings, topics: Sequence[Topic], *, with_brokers: bool
) -> Effective:
    """Read the effective configuration.

    Args:
        settings: The way to the brokers.
        topics: The topics that matter; those that don't exist are left out.
        with_brokers: Read that of the brokers too; MSK Serverless has no right for it.

    Raises:
        TransientError: The brokers don't answer, or refuse us.
    """
    return _Reading(settings).read(topics, with_brokers=with_brokers)


class _Reading:
    def __init__(self, settings: KafkaSettings) -> None:
        properties = connection(settings)
        self._refusals: Refusals = properties["error_cb"]
        self._client = open_client(AdminClient, properties)
        self._denied: dict[str, None] = {}

    def read(self, topics: Sequence[Topic], *, with_brokers: bool) -> Effective:
        cluster = self._metadata()
        replicas = {name: _fewest_replicas(found) for name, found in cluster.topics.items()}
        wanted = {topic.name: topic for topic in topics if replicas.get(topic.name)}
        configs = self._configs("topic", list(wanted), DESCRIBE_TOPIC_CONFIG)
        brokers: dict[int, Config] = {}
        for number in sorted(cluster.brokers) if with_brokers else ():
            # One at a time: each broker answers for itself only.
            found = self._configs("broker", [str(number)], DESCRIBE_CLUSTER_CONFIG)
            brokers |= {int(name): config for name, config in found.items()}
        return Effective(
            topics=tuple(
                TopicState(topic=wanted[name], replicas=replicas[name], config=config)
                for name, config in configs.items()
            ),
            brokers=brokers,
            broker_count=len(cluster.brokers),
            denied=tuple(self._denied),
        )

    def _metadata(self) -> ClusterMetadata:
        try:
            return self._client.list_topics(timeout=METADATA_TIMEOUT_S)
        except KafkaException as error:
            raise TransientError(self._refusals.message(error, self._client.poll)) from error

    def _configs(self, kind: str, names: Sequence[str], right: Right) -> dict[str, Config]:
        if not names:
            return {}
        asked = self._client.describe_configs(
            [ConfigResource(kind, name) for name in names], request_timeout=METADATA_TIMEOUT_S
        )
        found: dict[str, Config] = {}
        for resource, answer in asked.items():
            try:
                entries = answer.result()
            except KafkaException as error:
                denied = missing_right(error.args[0], (right, resource.name))
                if denied is None:
                    message = self._refusals.message(error, self._client.poll)
                    raise TransientError(message) from error
                self._denied[denied] = None
            else:
                found[resource.name] = {
                    name: entry.value for name, entry in entries.items() if entry.value is not None
                }
        return found


def _fewest_replicas(topic: TopicMetadata) -> int:
    return min((len(found.replicas) for found in topic.partitions.values()), default=0)
