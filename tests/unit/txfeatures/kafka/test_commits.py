from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from txfeatures.domain.errors import TransientError
from txfeatures.kafka.source import KafkaSource


class Answer:
    def __init__(self, partition: int, error: KafkaError | None = None) -> None:
        self.partition = partition
        self.error = error


class Consumer:
    """Commits, and answers as it was told to."""

    def __init__(self, answer: Sequence[Answer] | KafkaException) -> None:
        self._answer = answer
        self.commits: list[dict[int, int]] = []

    def commit(self, *, offsets: Sequence[TopicPartition], asynchronous: bool) -> Sequence[Answer]:
        assert not asynchronous
        self.commits.append({part.partition: part.offset for part in offsets})
        if isinstance(self._answer, KafkaException):
            raise self._answer
        return self._answer


def source(consumer: Consumer) -> KafkaSource:
    made = object.__new__(KafkaSource)
    made._consumer = consumer  # type: ignore[assignment]
    made._group = "fs_writer"
    return made


REFUSED = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)


def test_a_commit_has_the_next_offset_of_each_partition() -> None:
    consumer = Consumer([Answer(0), Answer(1)])
    source(consumer).commit({("raw", 0): 7, ("raw", 1): 9})
    assert consumer.commits == [{0: 7, 1: 9}]


@pytest.mark.parametrize(
    "answer",
    [KafkaException(REFUSED), [Answer(0), Answer(1, REFUSED)]],
    ids=["whole", "one partition"],
)
def test_a_commit_that_fails_is_never_swallowed(answer: Sequence[Answer] | KafkaException) -> None:
    with pytest.raises(TransientError, match="offsets were not committed"):
        source(Consumer(answer)).commit({("raw", 0): 7, ("raw", 1): 9})


def test_a_group_that_may_not_commit_is_named() -> None:
    denied = KafkaException(KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    with pytest.raises(TransientError, match="Kafka denies Read on group fs_writer: "):
        source(Consumer(denied)).commit({("raw", 0): 7})
