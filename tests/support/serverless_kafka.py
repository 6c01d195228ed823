"""An admin client that refuses, in front of a real cluster, what MSK Serverless refuses.

It is no broker: it compares the requests of our admin clients with AWS's documentation and sends
the others on. Codes and texts of its refusals are assumptions; see docs/reference/aws-doubts.md.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

SETTABLE = frozenset(
    {
        "cleanup.policy",
        "compression.type",
        "max.message.bytes",
        "message.timestamp.difference.max.ms",
        "message.timestamp.type",
        "retention.bytes",
        "retention.ms",
    }
)
"""Properties of topics that can be set; "all other topic-level configuration properties are not
configurable" (https://docs.aws.amazon.com/msk/latest/developerguide/serverless-config.html)."""

MAX_MESSAGE_BYTES = 8_388_608
REPLICAS = 3


class ServerlessAdmin(AdminClient):
    """Refuses topics with properties that can't be set, and to describe brokers."""

    def create_topics(  # type: ignore[override]  # as AdminClient itself overrides it
        self, new_topics: list[NewTopic], **more: Any
    ) -> dict[str, Future[Any]]:
        """Create the topics that Serverless accepts."""
        reasons = {topic.topic: refusal(topic) for topic in new_topics}
        accepted = [topic for topic in new_topics if reasons[topic.topic] is None]
        answers: dict[str, Future[Any]] = {
            name: refused(KafkaError.INVALID_CONFIG, reason)
            for name, reason in reasons.items()
            if reason is not None
        }
        return answers | (super().create_topics(accepted, **more) if accepted else {})

    def describe_configs(  # type: ignore[override]
        self, resources: list[ConfigResource], **more: Any
    ) -> dict[ConfigResource, Future[Any]]:
        """Describe topics; the right to describe brokers is not "applicable to serverless"."""
        if any(resource.restype == ResourceType.BROKER for resource in resources):
            code = KafkaError.CLUSTER_AUTHORIZATION_FAILED
            return {
                resource: refused(code, "Cluster authorization failed") for resource in resources
            }
        return super().describe_configs(resources, **more)


def refusal(topic: NewTopic) -> str | None:
    """Return the reason for which Serverless refuses a topic, None if it does not."""
    config: Mapping[str, str] = topic.config or {}
    if unknown := sorted(config.keys() - SETTABLE):
        return f"{unknown[0]} is not configurable"
    if int(config.get("max.message.bytes", 0)) > MAX_MESSAGE_BYTES:
        return f"max.message.bytes is at most {MAX_MESSAGE_BYTES}"
    if topic.replication_factor not in (-1, REPLICAS):
        return f"the replication factor is {REPLICAS}"
    return None


def refused(code: int, reason: str) -> Future[Any]:
    """Return an answer that is an error."""
    future: Future[Any] = Future()
    future.set_exception(KafkaException(KafkaError(code, reason)))
    return future
