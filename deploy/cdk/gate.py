"""The gate of a stage: the tests of the release, started from inside the network."""

from pathlib import Path
from typing import cast

from aws_cdk import CfnElement, Duration, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.cluster import Cluster
from deploy.cdk.network import Network
from deploy.cdk.settings import Settings
from deploy.iam.site import Site

_FILE = "test_release.sh"
_TEXT = (Path(__file__).with_name("steps") / _FILE).read_text(encoding="utf-8")
# The build has no source: its script is part of the project.
_TESTS = f"cat > {_FILE} <<'END'\n{_TEXT}END\n"


def gate_name(settings: Settings) -> str:
    """Return the name of a stage's gate, which the pipeline starts."""
    return f"{settings.name}-gate"


class Gate(Construct):
    """A build that fails unless ``txfeatures doctor`` finds no fault and the api has a latest row.

    Both run in the cluster, as the chart's tests: doctor reaches the brokers there, and has its own
    role. The cluster's endpoint is private and the pipeline is outside, so it starts this build.
    """

    def __init__(
        self,
        scope: Construct,
        identifier: str,
        *,
        settings: Settings,
        network: Network,
        cluster: Cluster,
        site: Site,
    ) -> None:
        super().__init__(scope, identifier)
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=network.vpc, description="The gate; nobody calls it"
        )
        cluster.eks.cluster_security_group.add_ingress_rule(
            group, ec2.Port.tcp(443), "The gate calls the cluster"
        )
        log = logs.LogGroup(self, "Log", log_group_name=f"/txfeatures/{settings.stage}/gate")
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
        project = codebuild.Project(
            self,
            "Project",
            project_name=gate_name(settings),
            description="txfeatures doctor, then /features/latest",
            role=role,
            vpc=network.vpc,
            subnet_selection=network.private,
            security_groups=[group],
            grant_report_group_permissions=False,
            timeout=Duration.minutes(30),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxBuildImage.AMAZON_LINUX_2_5,  # as the layer's helm
                compute_type=codebuild.ComputeType.SMALL,
                environment_variables={
                    name: codebuild.BuildEnvironmentVariable(value=value)
                    for name, value in {
                        "CLUSTER": settings.name,
                        "RELEASE": site.release,
                        "NAMESPACE": site.namespace,
                        "LAYER": cluster.tools.layer_version_arn,
                    }.items()
                },
            ),
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log)
            ),
            build_spec=codebuild.BuildSpec.from_object(
                {
                    "version": "0.2",
                    "phases": {"build": {"commands": [_TESTS, f"sh {_FILE}"]}},
                }
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["eks:DescribeCluster"], resources=[cluster.eks.cluster_arn]
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:GetLayerVersion"], resources=[cluster.tools.layer_version_arn]
            )
        )
        cluster.eks.grant_access(
            "Gate",
            role.role_arn,
            [
                eks.AccessPolicy.from_access_policy_name(
                    "AmazonEKSEditPolicy",
                    access_scope_type=eks.AccessScopeType.NAMESPACE,
                    namespaces=[site.namespace],
                )
            ],
        )
        logical = Stack.of(self).get_logical_id(cast("CfnElement", project.node.default_child))
        place = "arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>"
        logs_of = f"arn:{settings.partition}:logs:{settings.region}:{settings.account}:log-group"
        acknowledge(
            self,
            "A build inside a network makes and describes network interfaces whose names nobody "
            "knows before; CDK adds its default log. It has no artifacts that a key could encrypt.",
            "CB4",
            "IAM5[Resource::*]",
            f"IAM5[Resource::{place}:network-interface/*]",
            f"IAM5[Resource::{logs_of}:/aws/codebuild/<{logical}>:*]",
        )
