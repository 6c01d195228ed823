from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Uuid

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.process.settings import KafkaSettings


class Client:
    """An admin client whose brokers know one topic."""

    def __init__(self, answer: Uuid | KafkaException) -> None:
        self._answer = answer

    def describe_topics(self, _topics: object, **_: Any) -> dict[str, Future[Any]]:
        future: Future[Any] = Future()
        if isinstance(self._answer, KafkaException):
            future.set_exception(self._answer)
        else:
            future.set_result(SimpleNamespace(topic_id=self._answer))
        return {"deduped": future}

    def poll(self, _timeout_s: float = 0) -> int:
        return 0


@pytest.fixture
def admin() -> Iterator[KafkaAdmin]:
    with closing(KafkaAdmin(KafkaSettings(bootstrap_servers="127.0.0.1:1"))) as admin:
        yield admin


def ask(admin: KafkaAdmin, answer: Uuid | KafkaException) -> str:
    admin._client = Client(answer)  # type: ignore[assignment]
    return admin.topic_id("deduped")


def test_an_id_is_written_as_kafka_writes_it(admin: KafkaAdmin) -> None:
    assert ask(admin, Uuid(-1, -2)) == "_____________________g"
    assert ask(admin, Uuid(-289_360_691_352_306_693, 5)) == "-_v7-_v7-_sAAAAAAAAABQ"


def test_brokers_that_give_topics_no_id_are_too_old(admin: KafkaAdmin) -> None:
    with pytest.raises(FatalError, match="Kafka does so from 2"):
        ask(admin, Uuid(0, 0))


def test_a_topic_that_is_not_there_has_no_id(admin: KafkaAdmin) -> None:
    with pytest.raises(TransientError, match="run `txfeatures bootstrap`"):
        ask(admin, KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)))


def test_brokers_that_do_not_answer_are_asked_again_later(admin: KafkaAdmin) -> None:
    with pytest.raises(TransientError):
        ask(admin, KafkaException(KafkaError(KafkaError._TIMED_OUT)))
