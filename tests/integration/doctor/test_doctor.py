"""doctor is green as the installation stands, and names each planted fault."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from deploy.iam.declared import PROCESSES
from tests.integration.doctor.faults import FAULTS
from tests.integration.doctor.world import World, examined, installed, of_state, variables
from tests.support.acl_kafka import ADMINISTRATOR, AclKafka, acl_kafka
from txfeatures.bootstrap import BootstrapSettings
from txfeatures.doctor.kafka import TRANSACTIONAL_ID
from txfeatures.domain.topics import RAW, TOPICS
from txfeatures.kafka.admin import KafkaAdmin
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings

pytestmark = pytest.mark.integration

NOT_LOCAL = {"quotas"}
"""The local AWS has none."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with installed(tmp_path_factory.mktemp("kafka")) as world:
        yield world


def test_it_is_green_as_it_stands(world: World) -> None:
    code, findings = examined()
    assert of_state(findings, "warning", "failure") == {}
    assert of_state(findings, "skipped").keys() == {*NOT_LOCAL, "right to delete objects"}
    assert code == 0
    assert world.aws.refused == []


def test_it_leaves_nothing_behind(world: World) -> None:
    code, findings = examined("--write", "--doubts")
    assert of_state(findings, "warning", "failure") == {}
    assert of_state(findings, "skipped").keys() == NOT_LOCAL
    assert code == 0
    assert world.aws.refused == []
    settings = AwsSettings()
    with world.as_administrator():
        found = aws.s3(settings).list_object_versions(Bucket=settings.bucket)
        rows = aws.feature_store(settings).list_records(FeatureGroupName=settings.feature_group)
        groups = aws.sagemaker(settings).list_feature_groups()["FeatureGroupSummaries"]
    assert [found.get(kind, []) for kind in ("Versions", "DeleteMarkers")] == [[], []]
    assert rows["RecordIdentifiers"] == []
    assert [each["FeatureGroupName"] for each in groups] == [settings.feature_group]
    with closing(KafkaAdmin(BootstrapSettings().kafka)) as admin:
        ends = admin.ends([topic.name for topic in TOPICS])
    assert not any(any(each.values()) for each in ends.values())


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(world: World, name: str) -> None:
    fault = FAULTS[name]
    with fault.plant(world):
        code, findings = examined()
    failures = of_state(findings, "failure")
    assert failures.keys() == {fault.check, *fault.follows}, failures
    assert re.search(fault.words, failures[fault.check])
    assert code == 1


def test_nothing_is_wrong_after_all_of_them(world: World) -> None:
    assert of_state(examined()[1], "warning", "failure") == {}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AclKafka]:
    with acl_kafka(tmp_path_factory.mktemp("acl")) as kafka:
        KafkaAdmin(kafka.settings(ADMINISTRATOR)).create(
            TOPICS, partitions=4, replication=1, keep_forever=False
        )
        with variables(TXF_BOOTSTRAP_REPLICATION="1", **kafka.environment("doctor")):
            yield kafka


def test_its_declared_acls_suffice(guarded: AclKafka) -> None:
    code, findings = examined("--only", "kafka")
    assert of_state(findings, "warning", "failure", "skipped") == {}
    assert code == 0
    assert [access for access in guarded.accesses() if not access.is_allowed] == []


ACLS = {
    "Describe on a topic": (
        "topic", f"{RAW}*", ("DescribeTopic", "DescribeTopicDynamicConfiguration"),
        "right to see topics", "Kafka denies Describe on topic raw",
    ),
    "DescribeConfigs on a topic": (
        "topic", f"{RAW}*", ("DescribeTopicDynamicConfiguration",),
        "right to see configuration", "Kafka denies DescribeConfigs on topic raw",
    ),
    "Describe on a group": (
        "group", "dedup", ("DescribeGroup",),
        "consumer groups", "Kafka denies Describe on group dedup",
    ),
    "Write on its transactional id": (
        "transactional-id", TRANSACTIONAL_ID, ("AlterTransactionalId",),
        "transactions", f"Kafka denies Write on transactional id {TRANSACTIONAL_ID}",
    ),
}  # fmt: skip
"""Missing right -> kind, name, actions of MSK, the check that must name it, and its words."""


@pytest.mark.parametrize("name", ACLS)
def test_a_missing_acl_is_named(guarded: AclKafka, name: str) -> None:
    kind, resource, actions, check, words = ACLS[name]
    rights = PROCESSES["doctor"].kafka
    assert rights
    with ExitStack() as taken:
        for acl in rights.acls():
            if (acl.kind, acl.name) == (kind, resource) and acl.action in actions:
                taken.enter_context(guarded.without("doctor", acl))
        _, findings = examined("--only", "kafka")
    failures = of_state(findings, "failure")
    assert failures.keys() == {check}, failures
    assert words in failures[check]
