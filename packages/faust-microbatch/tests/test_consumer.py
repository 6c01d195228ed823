import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaException
from faust.types import TP

from faust_microbatch import App, Batch, MicrobatchError
from faust_microbatch.faust.message import BatchMessage
from microbatch_support.apps import a_batch, an_app
from microbatch_support.fakes import failure


class Cluster:
    """Kafka as far as its topics go; an error instead of them if Kafka is not there."""

    def __init__(
        self, partitions: Mapping[str, int], *, error: KafkaException | None = None
    ) -> None:
        self._partitions = partitions
        self._error = error

    def admin(self) -> Any:
        return self

    def list_topics(self, **_: Any) -> Any:
        if self._error:
            raise self._error
        topics = {
            name: SimpleNamespace(partitions=range(count))
            for name, count in self._partitions.items()
        }
        return SimpleNamespace(topics=topics)


class Engine:
    """An engine that notes its calls."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.finished: list[Batch] = []
        self.checks = 0
        self.partitions = {("in", 3)}

    async def start(self, topics: list[str]) -> None:
        self.topics += topics

    def check(self) -> None:
        self.checks += 1

    def finish(self, batch: Batch) -> None:
        self.finished.append(batch)


def consumer_of(app: App, cluster: Cluster) -> Any:
    consumer: Any = app.consumer
    consumer._clients, consumer.engine = cluster, Engine()
    return consumer


def subscribe(app: App, cluster: Cluster) -> Any:
    consumer = consumer_of(app, cluster)
    asyncio.run(consumer.subscribe({"other", "in"}))
    return consumer


def test_the_group_is_joined_for_all_topics_once_they_are_there() -> None:
    consumer = subscribe(an_app(), Cluster({"in": 4, "other": 1}))
    assert consumer.engine.topics == ["in", "other"]
    assert consumer.topic_partitions("in") == 4
    assert consumer.topic_partitions("elsewhere") is None


def test_a_missing_topic_is_refused_before_the_group_is_joined() -> None:
    with pytest.raises(MicrobatchError, match="Kafka has no topic other; create it"):
        subscribe(an_app(), Cluster({"in": 4}))


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [({}, "has no topic test-seen-changelog"), ({"test-seen-changelog": 3}, "has 3 partitions")],
)
def test_a_changelog_that_does_not_fit_its_table_is_refused(
    changelog: dict[str, int], expected: str
) -> None:
    app = an_app()
    app.Table("seen", partitions=4)
    with pytest.raises(MicrobatchError, match=expected):
        subscribe(app, Cluster({"in": 4, "other": 4, **changelog}))


def assign(app: App, partitions: set[tuple[str, int]]) -> None:
    async def play() -> None:
        consumer = consumer_of(app, Cluster({"in": 4, "test-seen-changelog": 4}))
        await consumer.subscribe({"in"})
        await consumer.on_assigned(partitions)

    asyncio.run(play())


def test_partitions_added_to_a_topic_under_a_worker_with_tables_are_refused_in_a_sentence() -> None:
    app = an_app()
    app.Table("seen", partitions=4)
    with pytest.raises(MicrobatchError, match=r"topic in has more than the 4 .* start again"):
        assign(app, {("in", 3), ("in", 4)})


def test_partitions_that_were_there_at_the_start_are_taken() -> None:
    app = an_app()
    app.Table("seen", partitions=4)
    assign(app, {("in", 0), ("in", 3)})


def test_partitions_added_under_a_worker_without_tables_are_taken() -> None:
    assign(an_app(), {("in", 4)})


def test_a_kafka_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(MicrobatchError, match=r"Kafka at 127\.0\.0\.1:1 can't be used"):
        subscribe(an_app(), Cluster({}, error=failure()))


def test_the_engine_is_checked_for_transactions_that_hang_all_the_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("faust_microbatch.faust.consumer.CHECK_INTERVAL_S", 0.001)

    async def run() -> None:
        consumer = consumer_of(an_app(), Cluster({}))
        await consumer.start()
        async with asyncio.timeout(10.0):
            while consumer.engine.checks < 3:
                await asyncio.sleep(0.001)
        await consumer.stop()

    asyncio.run(run())


def test_the_last_of_several_agents_to_acknowledge_finishes_the_batch() -> None:
    consumer, message = consumer_of(an_app(), Cluster({})), BatchMessage(a_batch())
    message.incref(2)
    message.ack(consumer)
    assert consumer.engine.finished == []
    message.ack(consumer)
    assert consumer.engine.finished == [message.batch]


def test_the_assignment_is_the_engines() -> None:
    assert consumer_of(an_app(), Cluster({})).assignment() == {TP("in", 3)}


def test_calls_of_fausts_own_recovery_are_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"no Consumer\.seek"):
        consumer_of(an_app(), Cluster({})).seek(TP("in", 3), 0)
