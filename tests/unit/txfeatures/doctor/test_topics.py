from collections.abc import Callable
from dataclasses import replace

import pytest

from txfeatures.doctor import topics
from txfeatures.doctor.finding import Verdict, failure
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka.inspection import FoundTopic
from txfeatures.kafka.safety import Finding

THREE = FoundTopic(partitions=4, replicas=3, lagging=0, leaderless=0)
FOUND = {topic.name: THREE if topic.scales else replace(THREE, partitions=1) for topic in TOPICS}


def changed(name: str, **changes: int) -> dict[str, FoundTopic]:
    return FOUND | {name: replace(FOUND[name], **changes)}


def test_what_bootstrap_makes_is_right() -> None:
    verdicts = [
        topics.existence(FOUND),
        topics.partitions(FOUND, 4),
        topics.replicas(FOUND, 3),
        topics.configuration([], "topic"),
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
    ],
)
def test_a_fault_is_named(verdict: Verdict, state: str, words: str) -> None:
    assert verdict.state == state
    assert words in verdict.sentence


def test_only_what_is_unsafe_of_the_kind_asked_for_is_named() -> None:
    found = [
        Finding(resources=("topic raw", "topic late"), problem="it leaks", remedy="mend it"),
        Finding(resources=("broker 1",), problem="it sleeps", remedy="wake it"),
    ]
    assert topics.configuration(found, "topic") == failure("topics raw, late: it leaks; mend it")
    assert topics.configuration(found, "broker") == failure("broker 1: it sleeps; wake it")
    assert topics.configuration(found[:1], "broker").state == "ok"
