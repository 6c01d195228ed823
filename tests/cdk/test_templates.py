"""Templates in what matters: nothing public or in plain text, least rights, what is kept."""

import json
from typing import Any

import pytest
import yaml

from deploy.iam.declared import PROCESSES
from deploy.iam.policies import policy
from deploy.iam.site import Site
from tests.cdk.assembly import Assembly, Template
from tests.chart.helm import EKS, template

pytestmark = pytest.mark.integration

KEPT = {
    "AWS::ECR::Repository",
    "AWS::Glue::Database",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
}


UNSCOPED = {
    "cloudformation:DescribeStacks",
    "codebuild:BatchGetBuilds",
    "codebuild:StartBuild",
    "codebuild:StopBuild",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "ecr:GetAuthorizationToken",
    "s3:ListBucket",
}
"""Actions for which AWS has no narrower resource, or CDK names none."""


def text(value: Any) -> str:
    """Return a value of CloudFormation as text, each unknown part as a word."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(map(text, value["Fn::Join"][1]))
    if "Fn::Select" in value:
        return "UUID"
    found = value.get("Ref") or value["Fn::GetAtt"]
    if found[0].startswith("StorageKey"):
        return "arn:aws:kms:eu-west-1:111122223333:key/KEY"
    return found if isinstance(found, str) else "-".join(found)


def items(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def release(system: Template) -> dict[str, Any]:
    """Return the properties of the release's chart."""
    charts: list[dict[str, Any]] = [
        found["Properties"] for found in system.of("Custom::AWSCDK-EKS-HelmChart").values()
    ]
    (found,) = [chart for chart in charts if chart["Release"] == "txfeatures"]
    return found


def test_brokers_are_private_and_speak_tls_and_iam_only(system: Template) -> None:
    cluster = system.only("AWS::MSK::Cluster")
    group = cluster["BrokerNodeGroupInfo"]
    assert group["ConnectivityInfo"]["PublicAccess"]["Type"] == "DISABLED"
    assert all("private" in subnet["Ref"] for subnet in group["ClientSubnets"])
    assert cluster["EncryptionInfo"]["EncryptionInTransit"] == {
        "ClientBroker": "TLS",
        "InCluster": True,
    }
    assert cluster["EncryptionInfo"]["EncryptionAtRest"]["DataVolumeKMSKeyId"]
    assert cluster["ClientAuthentication"] == {
        "Sasl": {"Iam": {"Enabled": True}},
        "Unauthenticated": {"Enabled": False},
    }
    assert cluster["KafkaVersion"].endswith(".kraft")


def test_brokers_lose_nothing_they_have_acknowledged(system: Template) -> None:
    properties = dict(
        line.split("=")
        for line in system.only("AWS::MSK::Configuration")["ServerProperties"].splitlines()
    )
    brokers = system.only("AWS::MSK::Cluster")["NumberOfBrokerNodes"]
    assert properties["unclean.leader.election.enable"] == "false"
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["default.replication.factor"] == str(brokers)
    assert properties["min.insync.replicas"] == str(brokers - 1)
    assert properties["transaction.state.log.replication.factor"] == str(brokers)
    assert int(properties["message.max.bytes"]) == 8 * 1024 * 1024


def test_only_the_cluster_is_let_in_to_the_brokers_and_nobody_from_outside(
    system: Template,
) -> None:
    rules = [
        rule
        for group in system.of("AWS::EC2::SecurityGroup").values()
        for rule in group["Properties"].get("SecurityGroupIngress", [])
    ]
    assert rules == []
    found = [r["Properties"] for r in system.of("AWS::EC2::SecurityGroupIngress").values()]
    (brokers,) = [rule for rule in found if "Kafka" in text(rule["GroupId"])]
    assert (brokers["FromPort"], brokers["ToPort"]) == (9098, 9098)
    assert brokers["SourceSecurityGroupId"]["Fn::GetAtt"][1] == "ClusterSecurityGroupId"
    assert all("SourceSecurityGroupId" in rule for rule in found)


def test_the_endpoint_of_the_cluster_is_private_unless_networks_are_named(
    production: Assembly, development: Assembly
) -> None:
    private = production.template("System").only("AWS::EKS::Cluster")["ResourcesVpcConfig"]
    assert (private["EndpointPublicAccess"], private["EndpointPrivateAccess"]) == (False, True)
    public = development.template("System").only("AWS::EKS::Cluster")["ResourcesVpcConfig"]
    assert public["PublicAccessCidrs"] == ["192.0.2.0/24"]


def test_the_cluster_encrypts_its_secrets_and_keeps_its_machines_role_from_pods(
    system: Template,
) -> None:
    cluster = system.only("AWS::EKS::Cluster")
    assert cluster["EncryptionConfig"][0]["Resources"] == ["secrets"]
    machine = system.only("AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert machine["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert machine["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_the_bucket_is_private_encrypted_versioned_and_for_tls_only(system: Template) -> None:
    bucket = system.only("AWS::S3::Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    denied = [
        statement["Condition"]
        for statement in system.only("AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    expired = {rule.get("Prefix") for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert expired == {None, "athena/"}


def test_queries_encrypt_their_results_whatever_their_client_asks(system: Template) -> None:
    settings = system.only("AWS::Athena::WorkGroup")["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    results = settings["ResultConfiguration"]
    assert results["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"


def test_images_cannot_be_replaced_and_are_scanned(assembly: Assembly) -> None:
    repositories = assembly.template("Registry").of("AWS::ECR::Repository")
    assert len(repositories) == 6
    for found in repositories.values():
        assert found["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert found["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_one_gateway_leads_out_and_s3_needs_none(system: Template) -> None:
    assert len(system.of("AWS::EC2::NatGateway")) == 1
    endpoint = system.only("AWS::EC2::VPCEndpoint")
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert "s3" in json.dumps(endpoint["ServiceName"])


def test_no_role_may_do_everything_or_anything_to_everything(assembly: Assembly) -> None:
    for path in assembly.templates():
        for name, statement in Template(json.loads(path.read_text())).statements():
            assert not [a for a in items(statement["Action"]) if a == "*" or a.endswith(":*")], name
            resources = statement["Resource"]
            if "*" in (resources if isinstance(resources, list) else [resources]):
                assert set(items(statement["Action"])) <= UNSCOPED, (name, statement)


def test_each_process_has_the_rights_that_are_declared_and_no_others(system: Template) -> None:
    found = {
        role["Properties"]["Policies"][0]["PolicyName"]: {
            (action, text(resource))
            for statement in role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
            for action in statement["Action"]
            for resource in statement["Resource"]
        }
        for name, role in system.of("AWS::IAM::Role").items()
        if name.startswith("Rights")
    }
    assert set(found) == {
        *("bootstrap", "poller", "dedup", "aggregator", "fs_writer", "api", "compact"),
        *("keda", "feature_store"),
    }
    values = json.loads(text(release(system)["Values"]))
    aws = values["settings"]["aws"]
    region = values["aws"]["region"]
    name = system.only("AWS::MSK::Cluster")["ClusterName"]
    site = Site(
        cluster=f"arn:aws:kafka:{region}:111122223333:cluster/{name}/UUID",
        bucket=aws["bucket"],
        store_role=f"{name}-{region}-feature-store",
        workgroup=aws["workgroup"],
        kms_key=aws["kms_key_arn"],
    )
    for process, rights in found.items():
        assert rights == {
            (action, resource)
            for statement in policy(PROCESSES[process], site)["Statement"]
            for action in statement["Action"]
            for resource in statement["Resource"]
        }, process


def test_the_chart_takes_the_values_and_its_accounts_have_the_roles(system: Template) -> None:
    values = yaml.safe_load(text(release(system)["Values"]))
    rendered = template(EKS, values=values)
    accounts = {found["metadata"]["name"] for found in rendered.of("ServiceAccount")}
    associated = {
        found["Properties"]["ServiceAccount"]
        for found in system.of("AWS::EKS::PodIdentityAssociation").values()
        if found["Properties"]["Namespace"] == release(system)["Namespace"]
    }
    assert associated == accounts
    assert not rendered.of("ServiceMonitor")


def test_a_stage_that_keeps_nothing_retains_nothing_and_deletes_the_feature_group(
    development: Assembly,
) -> None:
    for path in development.templates():
        resources = json.loads(path.read_text())["Resources"].values()
        assert [r["Type"] for r in resources if r.get("DeletionPolicy") == "Retain"] == []
    calls = [
        json.dumps(found["Properties"].get("Delete", ""))
        for found in development.template("System").of("Custom::AWS").values()
    ]
    assert any("deleteFeatureGroup" in call for call in calls)
    assert development.template("System").of("Custom::S3AutoDeleteObjects")


def test_a_stage_that_keeps_its_data_retains_all_of_it_and_nothing_else(
    production: Assembly,
) -> None:
    retained = set()
    for stack in ("Registry", "System"):
        resources = production.template(stack).body["Resources"].values()
        retained |= {r["Type"] for r in resources if r.get("DeletionPolicy") == "Retain"}
    assert retained == KEPT
    assert "deleteFeatureGroup" not in json.dumps(production.template("System").body)
    assert not production.template("System").of("Custom::S3AutoDeleteObjects")


def test_every_log_ends(assembly: Assembly) -> None:
    for path in assembly.templates():
        groups = Template(json.loads(path.read_text())).of("AWS::Logs::LogGroup")
        assert {g["Properties"]["RetentionInDays"] for g in groups.values()} <= {30}


def test_disks_of_the_pollers_go_with_their_namespace(system: Template) -> None:
    chart = next(
        found
        for found in system.of("Custom::AWSCDK-EKS-HelmChart").values()
        if found["Properties"]["Release"] == "txfeatures"
    )
    manifests = system.of("Custom::AWSCDK-EKS-KubernetesResource")
    namespace = next(
        n for n, m in manifests.items() if '"Namespace"' in m["Properties"]["Manifest"]
    )
    storage = next(n for n, m in manifests.items() if "StorageClass" in m["Properties"]["Manifest"])
    assert namespace in chart["DependsOn"]
    assert storage in manifests[namespace]["DependsOn"]
    assert '"reclaimPolicy":"Delete"' in manifests[storage]["Properties"]["Manifest"]


def test_the_dashboard_has_the_bytes_of_each_stage_and_the_rows(production: Assembly) -> None:
    body = production.template("System").only("AWS::CloudWatch::Dashboard")["DashboardBody"]
    first, second = json.loads(text(body))["widgets"]
    labels = [line[0]["label"] for line in first["properties"]["metrics"]]
    assert labels == ["raw", "deduped", "partials", "aggregated"]
    assert "ConsumedWriteRequestsUnits" in json.dumps(second["properties"]["metrics"])


def test_every_alarm_and_the_budget_reach_somebody(system: Template) -> None:
    (topic,) = system.of("AWS::SNS::Topic")
    for alarm in system.of("AWS::CloudWatch::Alarm").values():
        assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]
    assert system.only("AWS::SNS::Subscription")["Endpoint"] == "on-call@example.org"
    notified = system.only("AWS::Budgets::Budget")["NotificationsWithSubscribers"]
    assert {n["Subscribers"][0]["Address"] for n in notified} == {"on-call@example.org"}
