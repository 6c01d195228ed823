"""Documents of a site, without AWS."""

import ast
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import get_session
from moto.iam.aws_managed_policies import aws_managed_policies_data
from typer import Typer
from typer.testing import CliRunner, Result

from deploy.helm.chart_settings import PROCESSES as CHART_PROCESSES
from deploy.iam.__main__ import main
from deploy.iam.declared import PROCESSES
from deploy.iam.generate import EXAMPLE, GENERATED
from deploy.iam.kafka import OPERATIONS, REQUIRED, KafkaRights
from deploy.iam.policies import files, policy, trust
from deploy.iam.site import Site
from txfeatures.domain.topics import TOPICS

ROOT = Path(__file__).parents[3]
MANAGED_POLICY_LIMIT = 6144
TRUST_POLICY_LIMIT = 2048
"""IAM's limits in characters, white space left out of the first."""

WITHOUT_RESOURCES = {
    "servicequotas:ListServiceQuotas",
    *(f"sagemaker:List{what}" for what in ("Domains", "Apps", "Spaces", "UserProfiles")),
    "ec2:DescribeSecurityGroups",
}
"""Actions that IAM can only allow for the whole account."""

LARGEST = replace(
    EXAMPLE,
    cluster=f"arn:aws-us-gov:kafka:us-gov-west-1:111122223333:cluster/{'c' * 64}/"
    "00000000-1111-2222-3333-444444444444-55",
    bucket="b" * 63,
    feature_group="f" * 64,
    store_role="r" * 64,
    workgroup="w" * 128,
    namespace="n" * 63,
    release="r" * 40,
    studio="s" * 56,
)


def actions(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def test_the_example_equals_the_declaration() -> None:
    assert GENERATED.stale() == []


@pytest.mark.parametrize("name", PROCESSES)
def test_documents_respect_iams_limits_however_long_the_names_are(name: str) -> None:
    text = re.sub(r"\s", "", json.dumps(policy(PROCESSES[name], LARGEST)))
    assert len(text) <= MANAGED_POLICY_LIMIT
    for provider in (None, f"oidc.eks.us-gov-west-1.amazonaws.com/id/{'A' * 32}"):
        trusted = trust(PROCESSES[name], replace(LARGEST, oidc_provider=provider))
        assert len(json.dumps(trusted)) <= TRUST_POLICY_LIMIT


@pytest.mark.parametrize("name", PROCESSES)
def test_no_right_is_wider_than_its_resource(name: str) -> None:
    for statement in policy(PROCESSES[name], EXAMPLE)["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        if not set(statement["Action"]) <= WITHOUT_RESOURCES:
            assert not [arn for arn in statement["Resource"] if not re.match(r"arn:[^*?]+:", arn)]


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
    ],
)
def test_each_partition_has_its_own_arns(region: str, partition: str, suffix: str) -> None:
    key = f"arn:{partition}:kms:{region}:111122223333:key/k"
    cluster = f"arn:{partition}:kafka:{region}:111122223333:cluster/c/u"
    site = replace(EXAMPLE, cluster=cluster, kms_key=key)
    text = "".join(files(site).values())
    assert set(re.findall(r"arn:([\w-]+):", text)) == {partition}
    assert set(re.findall(r'kms:ViaService": "(?:s3|sagemaker)\.([^"]+)"', text)) == {
        f"{region}.{suffix}"
    }


def test_a_role_is_taken_by_the_one_service_account_that_has_its_name() -> None:
    by_pod = trust(PROCESSES["fs_writer"], EXAMPLE)
    assert by_pod
    [statement] = by_pod["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:RequestTag/kubernetes-namespace": "features",
        "aws:RequestTag/kubernetes-service-account": "txfeatures-fs-writer",
    }
    provider = "oidc.eks.eu-west-1.amazonaws.com/id/A1"
    by_token = trust(PROCESSES["fs_writer"], replace(EXAMPLE, oidc_provider=provider))
    assert by_token
    [statement] = by_token["Statement"]
    assert statement["Principal"] == {
        "Federated": f"arn:aws:iam::111122223333:oidc-provider/{provider}"
    }
    assert statement["Condition"]["StringEquals"] == {
        f"{provider}:aud": "sts.amazonaws.com",
        f"{provider}:sub": "system:serviceaccount:features:txfeatures-fs-writer",
    }


def test_every_process_of_the_chart_has_rights() -> None:
    accounts = {process.account for process in PROCESSES.values()}
    assert {name.replace("_", "-") for name in (*CHART_PROCESSES, "doctor")} <= accounts


def test_the_two_steps_of_fs_writer_have_together_what_one_process_has() -> None:
    both, features, archive = (
        PROCESSES[name] for name in ("fs_writer", "fs_writer-features", "fs_writer-archive")
    )
    assert set(map(str, both.aws)) == set(map(str, (*features.aws, *archive.aws)))
    assert both.kafka
    assert features.kafka
    assert archive.kafka
    found = set(both.kafka.acls())
    assert found == {*features.kafka.acls(), *archive.kafka.acls()}


def test_feature_store_has_what_awss_own_policy_grants_it() -> None:
    data = aws_managed_policies_data
    managed = json.loads(data)["AmazonSageMakerFeatureStoreAccess"]["Document"]
    wanted = {
        action
        for statement in managed["Statement"]
        for action in (
            [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        )
    }
    assert wanted <= actions(policy(PROCESSES["feature_store"], EXAMPLE))


@pytest.mark.parametrize("process", [p for p in PROCESSES.values() if p.kafka])
def test_a_right_of_msk_stands_beside_those_that_it_requires(process: Any) -> None:
    rights: KafkaRights = process.kafka
    for (kind, _), found in rights.actions().items():
        assert {need for action in found for need in REQUIRED.get(action, ())} <= found
        assert all(OPERATIONS[action][0] == kind for action in found)
    if rights.reads:
        assert rights.joins  # MSK refuses ReadData without AlterGroup on some group
    named = {*rights.reads, *rights.writes, *rights.counts, *rights.creates}
    assert named <= {topic.name for topic in TOPICS}


def test_acls_are_commands_for_kafkas_own_tool() -> None:
    text = files(EXAMPLE)["dedup.acls.txt"]
    start = "kafka-acls $CONNECTION --add --allow-principal User:dedup"
    assert f"{start} --topic raw --operation Read\n" in text
    assert f"{start} --cluster --operation IdempotentWrite\n" in text
    prefix = "--transactional-id dedup- --resource-pattern-type prefixed"
    assert f"{start} {prefix} --operation Write\n" in text


def test_every_call_of_aws_in_the_code_is_some_processes_right() -> None:
    declared = {a.partition(":")[2] for p in PROCESSES.values() for g in p.aws for a in g.actions}
    others = {
        "ListObjectsV2": "ListBucket",
        "HeadBucket": "ListBucket",
        "HeadObject": "GetObject",
        "DeleteObjects": "DeleteObject",
        "GetBucketEncryption": "GetEncryptionConfiguration",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
        "PutBucketEncryption": "PutEncryptionConfiguration",
        "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
        "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    }
    called = {
        operation
        for folder in ("src/txfeatures", "services")
        for file in (ROOT / folder).rglob("*.py")
        if "studio" not in file.parts  # it makes them by name: tests/unit/txfeatures/studio
        for operation in operations_in(file)
    }
    assert {"PutRecord", "GetObject", "CreateFeatureGroup", "StartQueryExecution"} <= called
    assert {others.get(each, each) for each in called} - declared == set()


@cache
def known_operations() -> dict[str, str]:
    """Return the name of each method of our clients with that of its operation."""
    session = get_session()
    return {
        xform_name(operation): operation
        for service in (
            *("s3", "glue", "athena", "service-quotas"),
            *("sagemaker", "sagemaker-featurestore-runtime"),
        )
        for operation in session.get_service_model(service).operation_names
    }


def operations_in(file: Path) -> set[str]:
    """Return the operations of AWS that a file calls on anything whose name ends in client."""
    known = known_operations()
    found = set()
    clients = {"client", "_client", "s3", "glue", "athena", "sagemaker"}
    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        holder = node.func.value
        name = getattr(holder, "attr", getattr(holder, "id", ""))
        if name in clients and node.func.attr in known:
            found.add(known[node.func.attr])
        if name in clients and node.func.attr == "get_paginator":
            argument = node.args[0]
            assert isinstance(argument, ast.Constant)
            found.add(known[str(argument.value)])
    return found


def run(*arguments: str) -> Result:
    app = Typer()
    app.command()(main)
    return CliRunner().invoke(app, list(arguments))


def test_the_command_writes_the_documents_of_a_site(tmp_path: Path) -> None:
    out = tmp_path / "rights"
    cluster = "arn:aws:kafka:eu-west-1:111122223333:cluster/c/u"
    result = run("--cluster", cluster, "--bucket", "mine", "--out", str(out))
    assert result.exit_code == 0, result.output
    written = {path.name: path.read_text() for path in out.iterdir()}
    assert written == files(Site(cluster=cluster, bucket="mine"))


@pytest.mark.parametrize(
    ("cluster", "advice"),
    [
        ("txfeatures", "is no ARN of an MSK cluster; `aws kafka list-clusters-v2`"),
        ("arn:aws-mars:kafka:m-1:111122223333:cluster/c/u", "has no partition aws-mars"),
    ],
)
def test_a_wrong_cluster_ends_in_one_sentence(tmp_path: Path, cluster: str, advice: str) -> None:
    result = run("--cluster", cluster, "--bucket", "mine", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert advice in result.output
    assert len(result.output.strip().splitlines()) == 1
