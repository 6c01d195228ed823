"""Verdicts on the topics, from their state and their effective configuration [pure].

Brokers' own defaults count: MSK's let a replica lead that lacks acknowledged records. MSK
Serverless shows only a part of the configuration; the rest is its own and not judged.
"""

from collections.abc import Iterator, Mapping

from txfeatures.doctor.finding import Verdict, failure, ok, skipped, warning
from txfeatures.domain.topics import SAFE_REPLICATION, TOPICS, Topic, refusal_of_partitions
from txfeatures.kafka.inspection import FoundTopic

Found = Mapping[str, FoundTopic]
Configurations = Mapping[str, Mapping[str, str]]

_IN_SYNC = "min.insync.replicas"
_UNCLEAN = "unclean.leader.election.enable"
_EXACT = ("cleanup.policy", "message.timestamp.type")
"""Configuration that must be as declared."""
_AT_LEAST = ("retention.ms", "max.message.bytes")
"""Configuration that may also be more than declared; -1 is for ever."""
_FUTURE = "message.timestamp.after.max.ms"

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


def elections(found: Found, configurations: Configurations) -> Verdict:
    """Return whether only replicas that have every acknowledged record can lead."""
    unclean = [
        name
        for name, configuration in configurations.items()
        if found[name].replicas > 1 and configuration.get(_UNCLEAN) == "true"
    ]
    if unclean:
        return failure(
            f"{_UNCLEAN} is true for {', '.join(unclean)}, so that acknowledged records can be "
            f"lost; {_alter(_UNCLEAN, 'false')}"
        )
    return ok(f"{_UNCLEAN} is false where there are several replicas")


def acknowledgements(found: Found, configurations: Configurations) -> Verdict:
    """Return whether an acknowledged record survives the loss of a broker, and writes do."""
    shown = {name: each for name, each in configurations.items() if _IN_SYNC in each}
    least = {name: int(each[_IN_SYNC]) for name, each in shown.items()}
    blocked = [name for name, count in least.items() if count > found[name].replicas]
    if blocked:
        return failure(
            f"{_IN_SYNC} of {', '.join(blocked)} is more than there are replicas, so that nothing "
            f"can be written; {_alter(_IN_SYNC, '2')}, or a smaller number for fewer replicas"
        )
    few = [
        name
        for name, count in least.items()
        if found[name].replicas >= SAFE_REPLICATION and count < SAFE_REPLICATION - 1
    ]
    if few:
        return failure(
            f"{_IN_SYNC} of {', '.join(few)} is 1, so that the loss of one broker can lose "
            f"acknowledged records; {_alter(_IN_SYNC, '2')}"
        )
    single = [name for name, topic in found.items() if topic.replicas < SAFE_REPLICATION]
    if single:
        return ok(
            f"fewer than {SAFE_REPLICATION} replicas: no record is safe from the loss of a broker "
            "while writes go on"
        )
    return ok("one broker may be lost: writes go on, and no acknowledged record is lost")


def configuration(configurations: Configurations, *, keep_forever: bool) -> Verdict:
    """Return whether the topics keep what they must, as long as they must.

    Args:
        configurations: The effective configuration of each existing topic.
        keep_forever: TXF_BOOTSTRAP_KEEP_FOREVER.
    """
    wrong = [
        difference
        for topic in TOPICS
        if topic.name in configurations
        for difference in _differences(topic, configurations[topic.name], keep_forever=keep_forever)
    ]
    if wrong:
        return failure(f"{'; '.join(wrong)}; {_alter('NAME', 'VALUE')}")
    narrow = [
        name
        for name, found in configurations.items()
        if int(found.get(_FUTURE, 2**63 - 1)) < 2**63 - 1
    ]
    if narrow:
        return warning(
            f"{_FUTURE} of {', '.join(narrow)} is bounded, so that brokers refuse records of a "
            f"replay or of a source whose clock is ahead; {_alter(_FUTURE, str(2**63 - 1))}"
        )
    return ok("cleanup, retention, record size and time stamps are as declared")


def _differences(topic: Topic, found: Mapping[str, str], *, keep_forever: bool) -> Iterator[str]:
    wanted = topic.config(keep_forever=keep_forever)
    for name in _EXACT:
        if found.get(name, wanted[name]) != wanted[name]:
            yield f"topic {topic.name} has {name}={found[name]} and needs {wanted[name]}"
    for name in _AT_LEAST:
        if name == "retention.ms" and topic.cleanup == "compact":
            continue  # it has no effect on compacted topics
        if _amount(found.get(name, wanted[name])) < _amount(wanted[name]):
            yield f"topic {topic.name} has {name}={found[name]} and needs {wanted[name]} or more"


def _amount(text: str) -> float:
    return float("inf") if text == "-1" else int(text)


def _alter(name: str, value: str) -> str:
    return (
        "run `kafka-configs --alter --entity-type topics --entity-name TOPIC "
        f"--add-config {name}={value}`"
    )
