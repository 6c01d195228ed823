"""Checks of Kafka: the brokers, the topics, and the rights of this login."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

from txfeatures.bootstrap import BootstrapSettings, read_configuration, unsafe
from txfeatures.doctor import topics
from txfeatures.doctor.finding import Check, Verdict, failure, ok
from txfeatures.domain.errors import TransientError
from txfeatures.domain.topics import TOPICS
from txfeatures.history.expired import READERS
from txfeatures.kafka.inspection import FoundTopic, Inspector
from txfeatures.kafka.safety import Config, Finding
from txfeatures.kafka.transactions import TransactionalSink
from txfeatures.process.runtime import Runtime

TRANSACTIONAL_ID = "txfeatures-doctor"
"""An id of its own: that of a service would end the transaction of the running service."""

COORDINATOR_S = 15.0
"""Seconds until every group has a coordinator, at most."""

LOOK_S = 0.5

RELEASES = (
    ("compression.zstd.level", "3.8"),
    ("message.timestamp.after.max.ms", "3.6"),
)
"""Configuration of topics, and the release of Kafka that introduced it: brokers name no release."""


class KafkaChecks:
    """The checks, of which the first leave what the others judge.

    Args:
        settings: The brokers, and what bootstrap would create.
        runtime: Paces the wait for the coordinators of groups.
    """

    def __init__(self, settings: BootstrapSettings, runtime: Runtime) -> None:
        self._settings = settings
        self._runtime = runtime
        self._inspector: Inspector | None = None
        self._topics: Mapping[str, FoundTopic] = {}
        self._configs: Sequence[Config] = ()
        self._unsafe: Sequence[Finding] = ()

    def checks(self) -> Iterator[Check]:
        """Yield the checks in their order."""
        settings = self._settings
        reached = ("brokers",)
        seen = ("right to see topics",)
        configured = ("right to see configuration",)
        for name, judge, needs in (
            ("brokers", self._brokers, ()),
            ("right to see topics", self._see_topics, reached),
            ("topics", lambda: topics.existence(self._topics), seen),
            ("partitions", lambda: topics.partitions(self._topics, settings.partitions), seen),
            ("replicas", lambda: topics.replicas(self._topics, settings.replication), seen),
            ("right to see configuration", self._see_configurations, seen),
            (
                "configuration of topics",
                lambda: topics.configuration(self._unsafe, "topic"),
                configured,
            ),
            (
                "configuration of brokers",
                lambda: topics.configuration(self._unsafe, "broker"),
                configured,
            ),
            ("release of Kafka", self._release, configured),
            ("transactions", self._transactions, reached),
            ("consumer groups", self._groups, reached),
        ):
            yield Check(subject="kafka", name=name, judge=judge, needs=needs)

    def _brokers(self) -> Verdict:
        self._inspector = Inspector(self._settings.kafka)
        cluster = self._inspector.cluster()
        wanted = self._settings.replication
        if cluster.brokers < wanted:
            return failure(
                f"{cluster.brokers} brokers are up, and TXF_BOOTSTRAP_REPLICATION is {wanted}; "
                "bring back the others, or set it to what is meant"
            )
        security = self._settings.kafka.security
        return ok(f"{cluster.brokers} up in cluster {cluster.id}, reached by {security}")

    def _see_topics(self) -> Verdict:
        self._topics = self._open().topics([topic.name for topic in TOPICS])
        return ok("this login may describe every topic")

    def _see_configurations(self) -> Verdict:
        if not self._topics:
            return topics.NO_TOPICS
        found = read_configuration(self._settings)
        if found.denied:
            return failure("; ".join(found.denied))
        self._configs = [topic.config for topic in found.topics]
        self._unsafe = unsafe(found, self._settings)
        return ok("this login may describe the configuration of topics and brokers")

    def _release(self) -> Verdict:
        return release(self._configs[0])

    def _transactions(self) -> Verdict:
        with closing(TransactionalSink(self._settings.kafka, transactional_id=TRANSACTIONAL_ID)):
            return ok("a transactional id can be initialised")

    def _groups(self) -> Verdict:
        members = self._members()
        found = ", ".join(f"{group} {count}" for group, count in members.items())
        return ok(f"every group can be described; members: {found}")

    def _members(self) -> dict[str, int]:
        clock, stop = self._runtime.clock, self._runtime.stop
        deadline_s = clock.monotonic() + COORDINATOR_S
        while True:
            try:
                return self._open().members([group for _, group in READERS])
            except TransientError:
                # In a new cluster the first question makes the brokers choose coordinators.
                if clock.monotonic() >= deadline_s or clock.wait(stop, LOOK_S):
                    raise

    def _open(self) -> Inspector:
        # Opened by the check of the brokers, which every other check needs.
        return self._inspector or Inspector(self._settings.kafka)


def release(config: Config) -> Verdict:
    """Return which release of Kafka the configuration of a topic shows."""
    known = next((release for name, release in RELEASES if name in config), None)
    if known is None:
        return ok(f"older than Kafka {RELEASES[-1][1]}; brokers name no release")
    return ok(f"Kafka {known} or newer; brokers name no release")
