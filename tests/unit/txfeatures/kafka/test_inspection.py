from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.kafka.inspection import Cluster, FoundTopic, Inspector
from txfeatures.process.settings import KafkaSettings


class Client:
    """An admin client whose brokers answer everything with ``answer``."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer if not isinstance(answer, int) else KafkaException(KafkaError(answer))

    def list_topics(self, **_: Any) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def describe_topics(self, topics: Any, **_: Any) -> dict[str, Future[Any]]:
        del topics
        return {"raw": self._future()}

    def describe_consumer_groups(self, groups: list[str], **_: Any) -> dict[str, Future[Any]]:
        return {group: self._future() for group in groups}

    def poll(self, _timeout_s: float = 0) -> int:
        return 0

    def _future(self) -> Future[Any]:
        future: Future[Any] = Future()
        if isinstance(self._answer, Exception):
            future.set_exception(self._answer)
        else:
            future.set_result(self._answer)
        return future


def asking(answer: Any) -> Inspector:
    inspector = Inspector(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    inspector._client = Client(answer)  # type: ignore[assignment]
    return inspector


def partition(leader: int | None, replicas: int, in_sync: int) -> SimpleNamespace:
    node = None if leader is None else SimpleNamespace(id=leader)
    return SimpleNamespace(leader=node, replicas=range(replicas), isr=range(in_sync))


def test_a_cluster_is_counted() -> None:
    answer = SimpleNamespace(cluster_id="abc", brokers={1: None, 2: None})
    assert asking(answer).cluster() == Cluster(id="abc", brokers=2)


def test_a_topic_is_as_bad_as_its_worst_partition() -> None:
    answer = SimpleNamespace(
        partitions=[partition(1, 3, 3), partition(-1, 3, 2), partition(None, 2, 2)]
    )
    assert asking(answer).topics(["raw"]) == {
        "raw": FoundTopic(partitions=3, replicas=2, lagging=1, leaderless=2)
    }


def test_a_topic_that_is_not_there_is_left_out() -> None:
    assert asking(KafkaError.UNKNOWN_TOPIC_OR_PART).topics(["raw"]) == {}


def test_members_are_counted_and_a_group_that_is_not_there_has_none() -> None:
    assert asking(SimpleNamespace(members=[1, 2])).members(["dedup"]) == {"dedup": 2}
    assert asking(KafkaError.GROUP_ID_NOT_FOUND).members(["dedup"]) == {"dedup": 0}


def test_a_missing_right_is_named_as_kafka_and_msk_name_it() -> None:
    refused = asking(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(FatalError, match=r"denies Describe on topic raw: .*:DescribeTopic;"):
        refused.topics(["raw"])
    with pytest.raises(FatalError, match="denies Describe on group dedup"):
        asking(KafkaError.GROUP_AUTHORIZATION_FAILED).members(["dedup"])


def test_brokers_that_do_not_answer_lack_no_right() -> None:
    silent = asking(KafkaError._TIMED_OUT)
    for ask in (
        silent.cluster,
        lambda: silent.topics(["raw"]),
        lambda: silent.members(["dedup"]),
    ):
        with pytest.raises(TransientError, match=r"does not answer .* TXF_KAFKA_BOOTSTRAP_SERVERS"):
            ask()
