"""Verdicts on the topics, and on what is unsafe about their configuration [pure]."""

from collections.abc import Mapping, Sequence
from typing import Literal

from txfeatures.doctor.finding import Verdict, failure, ok, skipped, warning
from txfeatures.domain.topics import TOPICS, refusal_of_partitions
from txfeatures.kafka.inspection import FoundTopic
from txfeatures.kafka.safety import Finding

Found = Mapping[str, FoundTopic]

NO_TOPICS = skipped("there are no topics to judge")


def existence(found: Found) -> Verdict:
    """Return whether every topic is there and can be used."""
    missing = [topic.name for topic in TOPICS if topic.name not in found]
    if missing:
        return failure(f"topics are missing: {', '.join(missing)}; run `txfeatures bootstrap`")
    leaderless = [name for name, topic in found.items() if topic.leaderless]
    if leaderless:
        return failure(
            f"partitions of {', '.join(leaderless)} have no leader, so they can be neither read "
            "nor written; bring back the brokers that are down"
        )
    return ok(f"all {len(TOPICS)} exist, each partition with a leader")


def partitions(found: Found, wanted: int) -> Verdict:
    """Return whether the numbers of partitions are right.

    Args:
        found: The existing topics.
        wanted: TXF_BOOTSTRAP_PARTITIONS.
    """
    if not found:
        return NO_TOPICS
    there = [topic for topic in TOPICS if topic.name in found]
    scaling = {topic.name: found[topic.name].partitions for topic in there if topic.scales}
    if reason := refusal_of_partitions(scaling):
        return failure(reason)
    for topic in there:
        count = found[topic.name].partitions
        if not topic.scales and count != 1:
            return failure(
                f"topic {topic.name} has {count} partitions and needs exactly one; stop the "
                "services, delete the topics of the pipeline and run `txfeatures bootstrap`"
            )
    for count in set(scaling.values()) - {wanted}:
        return warning(
            f"topics have {count} partitions, and bootstrap would refuse them because "
            f"TXF_BOOTSTRAP_PARTITIONS is {wanted}; set it to {count}"
        )
    return ok(f"{wanted} of each topic that scales, 1 of the others")


def replicas(found: Found, wanted: int) -> Verdict:
    """Return whether there are enough replicas, and all are in sync.

    Args:
        found: The existing topics.
        wanted: TXF_BOOTSTRAP_REPLICATION.
    """
    if not found:
        return NO_TOPICS
    few = [f"{name} {topic.replicas}" for name, topic in found.items() if topic.replicas < wanted]
    if few:
        return failure(
            f"topics have fewer replicas than the {wanted} of TXF_BOOTSTRAP_REPLICATION "
            f"({', '.join(few)}); add replicas with kafka-reassign-partitions, or correct the "
            "setting"
        )
    lagging = [name for name, topic in found.items() if topic.lagging]
    if lagging:
        return warning(
            f"replicas of {', '.join(lagging)} are not in sync; bring back the brokers that are "
            "down, or wait until they have caught up"
        )
    return ok(f"{wanted} or more of each partition, all in sync")


def configuration(found: Sequence[Finding], kind: Literal["topic", "broker"]) -> Verdict:
    """Return whether nothing is unsafe about the configuration of the topics, or the brokers."""
    sentences = [each.sentence for each in found if each.resources[0].startswith(kind)]
    if sentences:
        return failure("; ".join(sentences))
    return ok(f"nothing of the {kind}s' effective configuration is unsafe")
