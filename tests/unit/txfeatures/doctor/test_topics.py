from collections.abc import Callable
from dataclasses import replace

import pytest

from txfeatures.doctor import topics
from txfeatures.doctor.finding import Verdict
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka.inspection import FoundTopic

THREE = FoundTopic(partitions=4, replicas=3, lagging=0, leaderless=0)
FOUND = {topic.name: THREE if topic.scales else replace(THREE, partitions=1) for topic in TOPICS}
CONFIGURATIONS = {topic.name: topic.config(keep_forever=False, replication=3) for topic in TOPICS}


def changed(name: str, **changes: int) -> dict[str, FoundTopic]:
    return FOUND | {name: replace(FOUND[name], **changes)}


def configured(name: str, option: str, value: str) -> dict[str, dict[str, str]]:
    return CONFIGURATIONS | {name: CONFIGURATIONS[name] | {option: value}}


def test_what_bootstrap_makes_is_right() -> None:
    verdicts = [
        topics.existence(FOUND),
        topics.partitions(FOUND, 4),
        topics.replicas(FOUND, 3),
        topics.elections(FOUND, CONFIGURATIONS),
        topics.acknowledgements(FOUND, CONFIGURATIONS),
        topics.configuration(CONFIGURATIONS, keep_forever=False),
    ]
    assert {verdict.state for verdict in verdicts} == {"ok"}


@pytest.mark.parametrize(
    "judge", [lambda: topics.partitions({}, 4), lambda: topics.replicas({}, 3)]
)
def test_without_topics_nothing_is_proved(judge: Callable[[], Verdict]) -> None:
    assert judge() == topics.NO_TOPICS
    assert topics.existence({}).state == "failure"


@pytest.mark.parametrize(
    ("verdict", "state", "words"),
    [
        (
            topics.existence({n: t for n, t in FOUND.items() if n not in {"raw", "late"}}),
            "failure",
            "topics are missing: raw, late; run `txfeatures bootstrap`",
        ),
        (topics.existence(changed("feed", leaderless=1)), "failure", "partitions of feed have no"),
        (topics.partitions(changed("raw", partitions=3), 4), "failure", "(raw 3, deduped 4,"),
        (topics.partitions(changed("feed", partitions=2), 4), "failure", "topic feed has 2"),
        (topics.partitions(FOUND, 8), "warning", "TXF_BOOTSTRAP_PARTITIONS is 8; set it to 4"),
        (topics.replicas(changed("late", replicas=2), 3), "failure", "(late 2)"),
        (topics.replicas(changed("late", lagging=1), 3), "warning", "replicas of late are not"),
        (
            topics.elections(FOUND, configured("raw", "unclean.leader.election.enable", "true")),
            "failure",
            "is true for raw, so that acknowledged records can be lost",
        ),
        (
            topics.elections(
                changed("raw", replicas=1),
                configured("raw", "unclean.leader.election.enable", "true"),
            ),
            "ok",
            "where there are several replicas",
        ),
        (
            topics.acknowledgements(FOUND, configured("raw", "min.insync.replicas", "1")),
            "failure",
            "min.insync.replicas of raw is 1",
        ),
        (
            topics.acknowledgements(changed("raw", replicas=1), CONFIGURATIONS),
            "failure",
            "min.insync.replicas of raw is more than there are replicas",
        ),
        (
            topics.acknowledgements(
                {name: replace(topic, replicas=2) for name, topic in FOUND.items()},
                {name: {**c, "min.insync.replicas": "1"} for name, c in CONFIGURATIONS.items()},
            ),
            "ok",
            "fewer than 3 replicas",
        ),
    ],
)
def test_a_fault_is_named(verdict: Verdict, state: str, words: str) -> None:
    assert verdict.state == state
    assert words in verdict.sentence


@pytest.mark.parametrize(
    ("name", "option", "value", "words"),
    [
        ("raw", "cleanup.policy", "compact", "raw has cleanup.policy=compact and needs delete"),
        ("feed", "message.timestamp.type", "LogAppendTime", "and needs CreateTime"),
        ("late", "retention.ms", "1000", "late has retention.ms=1000 and needs 2592000000 or more"),
        ("raw", "max.message.bytes", "1048588", "and needs 8388608 or more"),
    ],
)
def test_a_configuration_that_loses_records_is_named(
    name: str, option: str, value: str, words: str
) -> None:
    verdict = topics.configuration(configured(name, option, value), keep_forever=False)
    assert verdict.state == "failure"
    assert words in verdict.sentence
    assert verdict.sentence.endswith("--add-config NAME=VALUE`")


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("raw", "retention.ms", "-1"),
        ("raw", "retention.ms", str(10**12)),
        ("raw", "max.message.bytes", str(10**9)),
        ("dedup-seen-changelog", "retention.ms", "1000"),
    ],
)
def test_more_than_is_declared_is_right_and_so_is_a_retention_without_effect(
    name: str, option: str, value: str
) -> None:
    verdict = topics.configuration(configured(name, option, value), keep_forever=False)
    assert verdict.state == "ok"


def test_configuration_that_brokers_do_not_show_is_not_judged() -> None:
    hidden: dict[str, dict[str, str]] = {name: {} for name in CONFIGURATIONS}
    verdicts = (
        topics.elections(FOUND, hidden),
        topics.acknowledgements(FOUND, hidden),
        topics.configuration(hidden, keep_forever=False),
    )
    assert {verdict.state for verdict in verdicts} == {"ok"}


def test_topics_of_a_replay_must_keep_their_records_for_ever() -> None:
    assert topics.configuration(CONFIGURATIONS, keep_forever=True).state == "failure"


def test_a_bound_on_time_stamps_is_a_warning_and_none_is_needed() -> None:
    option = "message.timestamp.after.max.ms"
    verdict = topics.configuration(configured("raw", option, "3600000"), keep_forever=False)
    assert verdict.state == "warning"
    assert f"{option} of raw is bounded" in verdict.sentence
    unknown = {
        name: {option: v for option, v in each.items() if not option.endswith("after.max.ms")}
        for name, each in CONFIGURATIONS.items()
    }
    assert topics.configuration(unknown, keep_forever=False).state == "ok"
