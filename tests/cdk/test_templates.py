"""Templates in what matters: nothing public or in plain text, least rights, what is kept."""

import json
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cdk.studio_function import ARCHITECTURE, CODE, PYTHON
from deploy.iam.declared import PROCESSES
from deploy.iam.policies import policy
from deploy.iam.site import Site
from tests.cdk.assembly import Assembly, Template
from tests.chart.helm import EKS, template
from tests.support.shared_data import REPOSITORY
from txfeatures.kafka.safety import Demands, findings

pytestmark = pytest.mark.integration

STEPS = REPOSITORY / "deploy" / "cdk" / "steps"

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
    "sagemaker:ListApps",
    "sagemaker:ListDomains",
    "sagemaker:ListSpaces",
    "sagemaker:ListUserProfiles",
    "servicequotas:ListServiceQuotas",
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


def items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def pairs(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Return each action of a policy with each of its resources."""
    return {
        (action, text(resource))
        for statement in document["Statement"]
        for action in items(statement["Action"])
        for resource in items(statement["Resource"])
    }


def site_of(system: Template) -> Site:
    """Return the names of the installation that a template makes."""
    values = json.loads(text(release(system)["Values"]))
    aws = values["settings"]["aws"]
    region = values["aws"]["region"]
    name = system.only("AWS::MSK::Cluster")["ClusterName"]
    return Site(
        cluster=f"arn:aws:kafka:{region}:111122223333:cluster/{name}/UUID",
        bucket=aws["bucket"],
        store_role=f"{name}-{region}-feature-store",
        workgroup=aws["workgroup"],
        kms_key=aws["kms_key_arn"],
        studio=f"{name}-{region}",
    )


def charted(system: Template, release: str) -> dict[str, Any]:
    """Return the resource of the chart that is installed as a release."""
    charts = system.of("Custom::AWSCDK-EKS-HelmChart").values()
    (found,) = [chart for chart in charts if chart["Properties"]["Release"] == release]
    return found


def release(system: Template) -> dict[str, Any]:
    """Return the properties of the release's chart."""
    found: dict[str, Any] = charted(system, "txfeatures")["Properties"]
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


def test_doctor_finds_nothing_unsafe_about_the_brokers(production: Assembly) -> None:
    system = production.template("System")
    properties = dict(
        line.split("=")
        for line in system.only("AWS::MSK::Configuration")["ServerProperties"].splitlines()
    )
    brokers = system.only("AWS::MSK::Cluster")["NumberOfBrokerNodes"]
    demands = Demands(max_record_bytes=int(properties["message.max.bytes"]), uses_iam=True)
    found = dict.fromkeys(range(brokers), properties)
    assert findings([], found, broker_count=brokers, demands=demands) == []


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
        role["Properties"]["Policies"][0]["PolicyName"]: pairs(
            role["Properties"]["Policies"][0]["PolicyDocument"]
        )
        for name, role in system.of("AWS::IAM::Role").items()
        if name.startswith(("Rights", "StudioRole"))
    }
    assert set(found) == {
        *("bootstrap", "poller", "dedup", "aggregator", "fs_writer", "api", "compact"),
        *("doctor", "keda", "feature_store"),
        *(["studio"] if system.of("Custom::Studio") else []),
    }
    for process, rights in found.items():
        assert rights == pairs(policy(PROCESSES[process], site_of(system))), process


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


def test_the_gate_runs_the_charts_tests_of_this_release_with_this_stacks_helm(
    system: Template,
) -> None:
    project = system.only("AWS::CodeBuild::Project")
    environment = project["Environment"]
    variables = {v["Name"]: v["Value"] for v in environment["EnvironmentVariables"]}
    properties = release(system)
    assert variables["RELEASE"] == properties["Release"]
    assert variables["NAMESPACE"] == properties["Namespace"]
    assert variables["CLUSTER"] == system.only("AWS::EKS::Cluster")["Name"]
    assert variables["LAYER"]["Ref"] in system.of("AWS::Lambda::LayerVersion")
    script = (STEPS / "test_release.sh").read_text()
    assert script in json.loads(project["Source"]["BuildSpec"])["phases"]["build"]["commands"][0]
    # The layer's program is for this kind of machine.
    assert environment["Type"] == "LINUX_CONTAINER"
    assert project["VpcConfig"]["Subnets"]


def test_a_deployment_whose_gate_fails_is_rolled_back(production: Assembly) -> None:
    pipeline = production.template("Pipeline").only("AWS::CodePipeline::Pipeline")
    assert pipeline["PipelineType"] == "V2"
    stages = {stage["Name"]: stage for stage in pipeline["Stages"]}
    assert stages["Deploy"]["OnFailure"] == {"Result": "ROLLBACK"}
    orders = {action["Name"]: action["RunOrder"] for action in stages["Deploy"]["Actions"]}
    assert orders["Gate"] == max(orders.values()) > min(orders.values())
    assert [name for name, stage in stages.items() if "OnFailure" in stage] == ["Deploy"]
    names = list(stages)
    assert names.index("Build") < names.index("UpdatePipeline") < names.index("Deploy")


def test_the_pipelines_gate_may_start_the_gate_that_the_stack_makes(production: Assembly) -> None:
    name = production.template("System").only("AWS::CodeBuild::Project")["Name"]
    (allowed,) = [
        statement
        for role, statement in production.template("Pipeline").statements()
        if role.startswith("PipelineDeployGate")
        and "codebuild:StartBuild" in items(statement["Action"])
    ]
    assert text(allowed["Resource"]).endswith(f":project/{name}")


def test_the_studio_is_made_with_the_data_scientists_rights_in_the_private_network(
    production: Assembly,
) -> None:
    system = production.template("System")
    studio = system.only("Custom::Studio")
    site = site_of(system)
    assert studio["Name"] == site.studio
    assert all("private" in subnet["Ref"] for subnet in studio["Subnets"])
    assert pairs(json.loads(text(studio["Policy"]))) == pairs(
        policy(PROCESSES["data_scientist"], site)
    )
    assert studio["Notebooks"] == "https://github.com/example/txfeatures.git"
    assert studio["ServiceTimeout"] == "3600"


def test_cdk_destroy_purges_the_studio_to_its_end_before_the_network_goes(
    production: Assembly,
) -> None:
    system = production.template("System")
    (resource,) = system.of("Custom::Studio").values()
    assert resource["DeletionPolicy"] == "Delete"
    handlers = {
        found["Properties"]["Handler"].rpartition(".")[2]: name
        for name, found in system.of("AWS::Lambda::Function").items()
        if found["Properties"]["Handler"].startswith("txfeatures.")
    }
    assert set(handlers) == {"on_event", "is_complete"}
    framework = system.of("AWS::Lambda::Function")[
        resource["Properties"]["ServiceToken"]["Fn::GetAtt"][0]
    ]
    called = framework["Properties"]["Environment"]["Variables"]
    assert called["USER_ON_EVENT_FUNCTION_ARN"]["Fn::GetAtt"][0] == handlers["on_event"]
    assert called["USER_IS_COMPLETE_FUNCTION_ARN"]["Fn::GetAtt"][0] == handlers["is_complete"]
    machine = json.loads(text(system.only("AWS::StepFunctions::StateMachine")["DefinitionString"]))
    (retry,) = machine["States"]["framework-isComplete-task"]["Retry"]
    assert retry["IntervalSeconds"] * retry["MaxAttempts"] == 3600
    assert retry["BackoffRate"] == 1
    # It refers to the network, so CloudFormation deletes it first.
    assert resource["Properties"]["Vpc"]["Ref"] in system.of("AWS::EC2::VPC")


def test_a_stage_without_a_studio_has_nothing_of_it(development: Assembly) -> None:
    names = development.template("System").body["Resources"]
    assert not [name for name in names if name.startswith("Studio")]


def test_the_functions_code_runs_by_itself_and_its_boto3_takes_what_we_give(
    tmp_path: Path,
) -> None:
    if not CODE.is_dir():
        pytest.skip(f"there is no {CODE}; `make studio` makes it")
    python = f"python{PYTHON}"
    found = shutil.which(python) and subprocess.run(
        [python, "-V"], capture_output=True, check=False
    )
    if not found or found.returncode or platform.machine() != ARCHITECTURE:
        pytest.skip(f"no Python {PYTHON} on {ARCHITECTURE}, as Lambda's: its code is not run")
    script = f"""
import sys
sys.path.insert(0, {str(CODE)!r})
import boto3
from txfeatures.studio.custom_resource import is_complete, on_event
assert all(m.__file__.startswith({str(CODE)!r}) for m in (boto3, sys.modules["pydantic"]))
event = {{"RequestType": "Create", "ResourceProperties": {{"Name": "x"}}}}
print(on_event(event, None)["PhysicalResourceId"])
shape = boto3.client("sagemaker", "eu-west-1").meta.service_model.operation_model("CreateDomain")
print("HomeEfsFileSystemCreation" in shape.input_shape.members)
"""
    done = subprocess.run(
        [python, "-I", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
        check=False,
    )
    assert (done.stdout.split(), done.returncode) == (["x", "True"], 0), done.stderr


def test_what_pods_print_reaches_a_log_group_of_the_stack(system: Template) -> None:
    groups = {n: g["Properties"] for n, g in system.of("AWS::Logs::LogGroup").items()}
    (group,) = [n for n, g in groups.items() if str(g.get("LogGroupName")).endswith("/pods")]
    chart = charted(system, "fluent-bit")
    values = yaml.safe_load(text(chart["Properties"]["Values"]))
    assert f"log_group_name {group}\n" in values["config"]["outputs"]
    assert "auto_create_group Off" in values["config"]["outputs"]
    (association,) = [
        name
        for name, found in system.of("AWS::EKS::PodIdentityAssociation").items()
        if found["Properties"]["Namespace"] == chart["Properties"]["Namespace"]
    ]
    identity = system.of("AWS::EKS::PodIdentityAssociation")[association]["Properties"]
    assert identity["ServiceAccount"] == values["serviceAccount"]["name"]
    role = identity["RoleArn"]["Fn::GetAtt"][0]
    (statement,) = [
        found
        for found in system.of("AWS::IAM::Policy").values()
        if found["Properties"]["Roles"] == [{"Ref": role}]
    ]
    (allowed,) = statement["Properties"]["PolicyDocument"]["Statement"]
    assert set(allowed["Action"]) == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert allowed["Resource"] == {"Fn::GetAtt": [group, "Arn"]}
    # The role is there before Fluent Bit, and Fluent Bit before the pods whose first lines count.
    assert association in chart["DependsOn"]
    assert any(n.startswith("PodLogs") for n in charted(system, "txfeatures")["DependsOn"])


def test_a_file_of_a_pods_log_has_the_name_that_fluent_bit_takes_apart(system: Template) -> None:
    inputs = yaml.safe_load(text(charted(system, "fluent-bit")["Properties"]["Values"]))["config"][
        "inputs"
    ]
    (pattern,) = re.findall(r"Tag_Regex +(\S+)", inputs)
    file = f"txfeatures-api-7d9c5b6f4-x2x7p_features_api-{'0123456789abcdef' * 4}.log"
    found = re.search(pattern.replace("(?<", "(?P<"), f"/var/log/containers/{file}")
    assert found
    assert found["namespace_name"] == "features"
    assert found["container_name"] == "api"
    assert found["pod_name"] == "txfeatures-api-7d9c5b6f4-x2x7p"


def test_every_log_ends(assembly: Assembly) -> None:
    for path in assembly.templates():
        groups = Template(json.loads(path.read_text())).of("AWS::Logs::LogGroup")
        assert {g["Properties"]["RetentionInDays"] for g in groups.values()} <= {30}


def test_disks_of_the_pollers_go_with_their_namespace(system: Template) -> None:
    chart = charted(system, "txfeatures")
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
