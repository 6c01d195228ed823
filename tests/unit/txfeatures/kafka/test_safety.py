from collections.abc import Mapping
from types import MappingProxyType

import pytest

from txfeatures.domain.topics import DEDUPED, RAW, TOPICS, Topic
from txfeatures.kafka.safety import Demands, Finding, TopicState, findings, kafka_version

BY_NAME = {topic.name: topic for topic in TOPICS}
CHANGELOG = "dedup-seen-changelog"
IN_SYNC = "min.insync.replicas"
UNCLEAN = "unclean.leader.election.enable"
AFTER = "message.timestamp.after.max.ms"
DIFFERENCE = "message.timestamp.difference.max.ms"
TRANSACTIONS = "transaction.state.log.replication.factor"
DEMANDS = Demands(max_record_bytes=8_000_000)
FOREVER = Demands(max_record_bytes=8_000_000, keep_forever=True)
WITH_IAM = Demands(max_record_bytes=8_000_000, uses_iam=True)

BROKER = {
    "auto.create.topics.enable": "false",
    "unclean.leader.election.enable": "false",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "offsets.retention.minutes": "10080",
    "inter.broker.protocol.version": "3.9-IV0",
}


def state(
    name: str, replicas: int = 3, changed: Mapping[str, str] = MappingProxyType({})
) -> TopicState:
    topic: Topic = BY_NAME[name]
    safe = {
        **topic.config(keep_forever=False, replication=3),
        "retention.bytes": "-1",
        "message.timestamp.before.max.ms": str(2**63 - 1),
    }
    return TopicState(topic=topic, replicas=replicas, config={**safe, **changed})


def judge(
    *topics: TopicState,
    brokers: Mapping[int, Mapping[str, str]] | None = None,
    count: int = 3,
    demands: Demands = DEMANDS,
) -> list[Finding]:
    return findings(topics, brokers or {}, broker_count=count, demands=demands)


def test_what_bootstrap_creates_on_safe_brokers_is_safe() -> None:
    topics = [state(topic.name) for topic in TOPICS]
    assert judge(*topics, brokers=dict.fromkeys((1, 2, 3), BROKER)) == []


def test_a_laptop_with_one_broker_is_not_blamed_for_it() -> None:
    one = {IN_SYNC: "1", UNCLEAN: "true"}
    broker = {name: "1" if "factor" in name else value for name, value in BROKER.items()}
    broker[UNCLEAN] = "true"
    assert judge(state(RAW, replicas=1, changed=one), brokers={1: broker}, count=1) == []


@pytest.mark.parametrize(
    ("topic", "name", "value", "problem", "remedy"),
    [
        (RAW, IN_SYNC, "1", "acknowledged that only one broker has", "min.insync.replicas=2"),
        (RAW, IN_SYNC, "3", "restart of one broker stops all writes", "min.insync.replicas=2"),
        (RAW, IN_SYNC, "4", "every write is refused", "min.insync.replicas=2"),
        (RAW, UNCLEAN, "true", "lacks acknowledged records", f"{UNCLEAN}=false"),
        (RAW, "max.message.bytes", "7999999", "larger records are refused", "bytes=8000000"),
        (RAW, "message.timestamp.type", "LogAppendTime", "the feed's time", "type=CreateTime"),
        (RAW, AFTER, "3600000", "more than 1 h after", f"{AFTER}={2**63 - 1}"),
        (RAW, DIFFERENCE, "60000", "h before or after", f"{DIFFERENCE}={2**63 - 1}"),
        (RAW, "retention.ms", "3600000", "deleted after 1 h", "retention.ms=604800000"),
        (RAW, "retention.bytes", "1073741824", "deleted by size", "retention.bytes=-1"),
        (RAW, "cleanup.policy", "compact", "that are still needed", "policy=delete"),
        (CHANGELOG, "cleanup.policy", "compact,delete", "still needed", "policy=compact"),
    ],
)
def test_an_unsafe_property_of_a_topic_is_one_finding_with_its_remedy(
    topic: str, name: str, value: str, problem: str, remedy: str
) -> None:
    (finding,) = judge(state(topic, changed={name: value}))
    assert finding.resources == (f"topic {topic}",)
    assert finding.problem.startswith(f"{name} is {value}")
    assert problem in finding.problem
    assert f"{remedy}`" in finding.remedy


@pytest.mark.parametrize(
    ("replicas", "brokers", "in_sync", "found"),
    [
        (1, 3, "1", ["it has 1 replica on 3 brokers"]),
        (1, 3, "2", ["it has 1 replica on 3 brokers", "of 1 replica, so every write is refused"]),
        (2, 3, "1", ["it has 2 replicas on 3 brokers", "only one broker has"]),
        (2, 2, "1", ["only one broker has"]),
        (2, 2, "2", ["restart of one broker stops all writes"]),
        (1, 1, "2", ["every write is refused"]),
        (4, 5, "2", []),
    ],
)
def test_replicas_are_judged_with_the_number_of_brokers(
    replicas: int, brokers: int, in_sync: str, found: list[str]
) -> None:
    reported = judge(state(RAW, replicas, {IN_SYNC: in_sync}), count=brokers)
    assert len(reported) == len(found)
    for finding, text in zip(reported, found, strict=True):
        assert text in finding.problem


@pytest.mark.parametrize(
    ("changed", "problem", "remedy"),
    [
        ({"auto.create.topics.enable": "true"}, "comes back", "auto.create.topics.enable=false"),
        ({UNCLEAN: "true"}, "committed offsets", "enable=false"),
        ({"offsets.topic.replication.factor": "1"}, "committed offsets may be lost", "factor=3"),
        ({TRANSACTIONS: "2"}, "open transactions may be lost", "factor=3"),
        ({"offsets.retention.minutes": "1440"}, "stands still for 24 h", "minutes=10080"),
    ],
)
def test_an_unsafe_property_of_a_broker_is_one_finding_with_its_remedy(
    changed: dict[str, str], problem: str, remedy: str
) -> None:
    (finding,) = judge(brokers={7: {**BROKER, **changed}})
    assert finding.resources == ("broker 7",)
    assert problem in finding.problem
    assert remedy in finding.remedy


def test_with_iam_brokers_before_3_8_are_reported() -> None:
    old = {**BROKER, "inter.broker.protocol.version": "3.6-IV2"}
    (finding,) = judge(brokers={1: old}, demands=WITH_IAM)
    assert "it runs Kafka 3.6" in finding.problem
    assert "Kafka 3.8 or newer" in finding.remedy
    assert judge(brokers={1: old}) == []
    assert judge(brokers={1: BROKER}, demands=WITH_IAM) == []


def test_the_version_is_unknown_from_4_0_on() -> None:
    assert kafka_version({"inter.broker.protocol.version": "3.10-IV0"}) == (3, 10)
    assert kafka_version({}) is None


def test_a_replay_needs_topics_that_keep_records_of_any_age() -> None:
    (finding,) = judge(state(RAW), state(CHANGELOG), demands=FOREVER)
    assert finding.resources == ("topic raw",)
    assert finding.remedy.endswith("retention.ms=-1` on each")
    assert judge(state(RAW, changed={"retention.ms": "-1"}), demands=FOREVER) == []


def test_longer_retention_is_safe() -> None:
    assert judge(state(RAW, changed={"retention.ms": str(30 * 86_400_000)})) == []


def test_topics_with_the_same_problem_share_a_sentence() -> None:
    changed = {IN_SYNC: "1"}
    (finding,) = judge(state(RAW, changed=changed), state(DEDUPED, changed=changed))
    assert finding.sentence == (
        "topics raw, deduped: min.insync.replicas is 1, so a record may be acknowledged that only "
        "one broker has; run `kafka-configs --alter --entity-type topics --add-config "
        "min.insync.replicas=2` on each"
    )
    (finding,) = judge(brokers={1: {**BROKER, "auto.create.topics.enable": "true"}})
    assert finding.sentence.startswith("broker 1: auto.create.topics.enable is true")


def test_properties_that_brokers_do_not_report_are_not_judged() -> None:
    bare = TopicState(topic=BY_NAME[RAW], replicas=3, config={})
    assert judge(bare, brokers={1: {}}) == []
