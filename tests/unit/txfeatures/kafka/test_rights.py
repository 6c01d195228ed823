import pytest
from confluent_kafka import KafkaError

from deploy.iam.kafka import OPERATIONS
from txfeatures.kafka import rights
from txfeatures.kafka.rights import Right

RIGHTS = [value for value in vars(rights).values() if isinstance(value, Right)]


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.action)
def test_operations_and_actions_are_those_that_deploy_iam_grants(right: Right) -> None:
    assert OPERATIONS[right.action] == (right.kind.replace(" ", "-"), right.operation)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Kafka denies Read on topic raw: "),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "Kafka denies Read on group dedup: "),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, None),
        (KafkaError._TIMED_OUT, None),
    ],
)
def test_an_error_names_the_right_of_its_kind_among_those_that_a_call_needs(
    code: int, sentence: str | None
) -> None:
    found = rights.missing_right(KafkaError(code), (rights.READ, "raw"), (rights.JOIN, "dedup"))
    assert found is None if sentence is None else str(found).startswith(sentence)


def test_a_missing_right_is_one_sentence_with_the_way_out() -> None:
    assert rights.READ.missing("raw") == (
        "Kafka denies Read on topic raw: grant it to this login, with MSK's IAM as "
        "kafka-cluster:ReadData; `python -m deploy.iam` writes the rights of every process"
    )
    assert rights.WRITE_IDEMPOTENTLY.missing("").startswith(
        "Kafka denies IdempotentWrite on the cluster: "
    )
