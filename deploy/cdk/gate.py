"""The gate of a stage: whether the release answers, asked from inside the network."""

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

TRIES = 30
"""Five minutes: a new release has its first row after a minute or so."""

_LATEST = "import urllib.request as r; print(r.urlopen('{url}', timeout=10).read().decode())"
_URL = "http://127.0.0.1:8000/features/latest"


def gate_name(settings: Settings) -> str:
    """Return the name of a stage's gate, which the pipeline starts."""
    return f"{settings.name}-gate"


class Gate(Construct):
    """A build that fails unless the api has a latest row.

    The cluster's endpoint is private and the pipeline is outside, so it starts this build.
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
            group, ec2.Port.tcp(443), "The gate asks the cluster"
        )
        log = logs.LogGroup(self, "Log", log_group_name=f"/txfeatures/{settings.stage}/gate")
        api = f"-n {site.namespace} deployment/{site.release}-api"
        latest = f'kubectl exec {api} -- python -c "{_LATEST.format(url=_URL)}"'
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
        project = codebuild.Project(
            self,
            "Project",
            project_name=gate_name(settings),
            description="The release answers /features/latest",
            role=role,
            vpc=network.vpc,
            subnet_selection=network.private,
            security_groups=[group],
            grant_report_group_permissions=False,
            timeout=Duration.minutes(15),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2_STANDARD_3_0,
                compute_type=codebuild.ComputeType.SMALL,
            ),
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log)
            ),
            build_spec=codebuild.BuildSpec.from_object(
                {
                    "version": "0.2",
                    "phases": {
                        "build": {
                            "commands": [
                                f"aws eks update-kubeconfig --name {settings.name}",
                                f"for try in $(seq {TRIES}); do {latest} && exit 0; sleep 10; done;"
                                " exit 1",
                            ]
                        }
                    },
                }
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["eks:DescribeCluster"], resources=[cluster.eks.cluster_arn]
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
