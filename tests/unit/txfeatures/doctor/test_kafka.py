import pytest

from txfeatures.bootstrap import BootstrapSettings
from txfeatures.doctor import kafka as module
from txfeatures.doctor.examination import examine
from txfeatures.doctor.kafka import COORDINATOR_S, KafkaChecks, release
from txfeatures.domain.errors import TransientError
from txfeatures.domain.topics import TOPICS
from txfeatures.kafka.effective import Effective
from txfeatures.kafka.inspection import Cluster, FoundTopic
from txfeatures.kafka.safety import TopicState
from txfeatures.process.clock import ManualClock
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime


class Brokers:
    """An `Inspector` of a cluster as bootstrap leaves it."""

    up = 3
    failures = 0
    denied: tuple[str, ...] = ()
    in_sync = "2"

    def __init__(self, _: object) -> None: ...

    def cluster(self) -> Cluster:
        return Cluster(id="c", brokers=self.up)

    def topics(self, names: list[str]) -> dict[str, FoundTopic]:
        return {
            topic.name: FoundTopic(
                partitions=4 if topic.scales else 1, replicas=3, lagging=0, leaderless=0
            )
            for topic in TOPICS
            if topic.name in names
        }

    def members(self, groups: list[str]) -> dict[str, int]:
        if type(self).failures:
            type(self).failures -= 1
            raise TransientError("no coordinator")
        return dict.fromkeys(groups, 2)


class Sink:
    def __init__(self, _: object, *, transactional_id: str) -> None:
        assert transactional_id == "txfeatures-doctor"

    def close(self) -> None: ...


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> type[Brokers]:
    fresh = type("FreshBrokers", (Brokers,), {})
    monkeypatch.setattr(module, "Inspector", fresh)
    monkeypatch.setattr(module, "TransactionalSink", Sink)
    monkeypatch.setattr(module, "read_configuration", lambda _: effective(fresh))
    return fresh


def effective(brokers: type[Brokers]) -> Effective:
    """Return the configuration of topics as bootstrap makes them."""
    more = {"min.insync.replicas": brokers.in_sync}
    states = [
        TopicState(
            topic=topic,
            replicas=3,
            config={**topic.config(keep_forever=False, replication=3), **more},
        )
        for topic in TOPICS
    ]
    return Effective(
        topics=tuple(states), brokers={}, broker_count=brokers.up, denied=brokers.denied
    )


def run(clock: ManualClock | None = None) -> dict[str, tuple[str, str]]:
    runtime = Runtime(metrics=Metrics("doctor"), clock=clock or ManualClock())
    checks = KafkaChecks(BootstrapSettings(), runtime).checks()
    return {each.check: (each.state, each.sentence) for each in examine(checks)}


def test_a_right_cluster_passes_every_check(brokers: type[Brokers]) -> None:
    assert brokers.up == 3
    found = run()
    assert {state for state, _ in found.values()} == {"ok"}
    assert "dedup 2, aggregator 2" in found["consumer groups"][1]


def test_fewer_brokers_than_replicas_fail_first(brokers: type[Brokers]) -> None:
    brokers.up = 2
    found = run()
    assert found["brokers"] == (
        "failure",
        "2 brokers are up, and TXF_BOOTSTRAP_REPLICATION is 3; bring back the others, or set it "
        "to what is meant",
    )
    assert {state for name, (state, _) in found.items() if name != "brokers"} == {"skipped"}


def test_a_coordinator_that_is_being_chosen_is_waited_for(brokers: type[Brokers]) -> None:
    brokers.failures = 3
    clock = ManualClock()
    assert run(clock)["consumer groups"][0] == "ok"
    assert clock.monotonic() > 0


def test_a_coordinator_that_never_comes_is_a_failure(brokers: type[Brokers]) -> None:
    brokers.failures = 10_000
    clock = ManualClock()
    assert run(clock)["consumer groups"] == ("failure", "no coordinator")
    assert clock.monotonic() == pytest.approx(COORDINATOR_S, abs=1)


def test_without_the_right_to_see_it_no_configuration_is_judged(brokers: type[Brokers]) -> None:
    brokers.denied = ("Kafka denies DescribeConfigs on topic raw", "and on topic late")
    found = run()
    assert found["right to see configuration"] == ("failure", "; ".join(brokers.denied))
    judged = {name: found[name][0] for name in ("configuration of topics", "topics")}
    assert judged == {"configuration of topics": "skipped", "topics": "ok"}


def test_a_configuration_that_loses_records_is_named(brokers: type[Brokers]) -> None:
    brokers.in_sync = "1"
    state, sentence = run()["configuration of topics"]
    assert state == "failure"
    assert "min.insync.replicas is 1" in sentence


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("compression.zstd.level", "message.timestamp.after.max.ms"), "Kafka 3.8 or newer"),
        (("message.timestamp.after.max.ms",), "Kafka 3.6 or newer"),
        ((), "older than Kafka 3.6"),
    ],
)
def test_the_release_follows_from_the_configuration_that_brokers_know(
    options: tuple[str, ...], words: str
) -> None:
    assert words in release(dict.fromkeys(options, "1")).sentence
