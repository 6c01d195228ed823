import pytest

from deploy.iam.kafka import OPERATIONS
from txfeatures.kafka import rights
from txfeatures.kafka.rights import Right

RIGHTS = [value for value in vars(rights).values() if isinstance(value, Right)]


@pytest.mark.parametrize("right", RIGHTS, ids=lambda right: right.action)
def test_operations_and_actions_are_those_that_deploy_iam_grants(right: Right) -> None:
    assert OPERATIONS[right.action] == (right.kind.replace(" ", "-"), right.operation)


def test_a_missing_right_is_one_sentence_with_the_way_out() -> None:
    assert rights.READ.missing("raw") == (
        "Kafka denies Read on topic raw: grant it to this login, with MSK's IAM as "
        "kafka-cluster:ReadData; `python -m deploy.iam` writes the rights of every process"
    )
    assert rights.WRITE_IDEMPOTENTLY.missing("").startswith(
        "Kafka denies IdempotentWrite on the cluster: "
    )
