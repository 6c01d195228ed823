"""The pods' logs in CloudWatch: Fluent Bit on each machine, and a log group of the stack."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy.cdk.cluster import Cluster
from deploy.cdk.settings import Settings
from deploy.iam.policies import POD_IDENTITY

FLUENT_BIT = "fluent-bit"
"""Release, namespace and service account of Fluent Bit."""

CHART_VERSION = "0.50.0"
IMAGE_TAG = "4.0.5"
"""The first release that takes its credentials from Pod Identity is 4.0.1."""

# The name of a file has the pod's in it, so Kubernetes' API need not be asked, and no right to
# it is given. A stream is named <namespace>.<pod>.<container>; a line is sent as it was printed.
_INPUTS = r"""[INPUT]
    Name tail
    Path /var/log/containers/*.log
    Exclude_Path /var/log/containers/fluent-bit*
    multiline.parser cri
    Tag <namespace_name>.<pod_name>.<container_name>
    Tag_Regex (?<pod_name>[^_/]+)_(?<namespace_name>[^_]+)_(?<container_name>.+)-[a-z0-9]{64}\.log$
    DB /var/log/fluent-bit.db
    Read_from_Head On
    Mem_Buf_Limit 16MB
    Skip_Long_Lines On
"""

_OUTPUTS = """[OUTPUT]
    Name cloudwatch_logs
    Match *
    region {region}
    log_group_name {group}
    log_stream_prefix pods/
    log_key log
    auto_create_group Off
"""


class PodLogs(Construct):
    """The log of every pod, in one group that ends with the others."""

    def __init__(
        self, scope: Construct, identifier: str, *, settings: Settings, cluster: Cluster
    ) -> None:
        super().__init__(scope, identifier)
        group = logs.LogGroup(self, "Log", log_group_name=f"/txfeatures/{settings.stage}/pods")
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.SessionTagsPrincipal(iam.ServicePrincipal(POD_IDENTITY)),
            description="Fluent Bit writes what pods print",
        )
        group.grant_write(role)
        association = eks.CfnPodIdentityAssociation(
            self,
            "Association",
            cluster_name=cluster.eks.cluster_name,
            namespace=FLUENT_BIT,
            service_account=FLUENT_BIT,
            role_arn=role.role_arn,
        )
        chart = cluster.eks.add_helm_chart(
            "FluentBit",
            chart="fluent-bit",
            repository="https://fluent.github.io/helm-charts",
            version=CHART_VERSION,
            release=FLUENT_BIT,
            namespace=FLUENT_BIT,
            atomic=True,
            removal_policy=RemovalPolicy.DESTROY,
            values={
                "image": {"tag": IMAGE_TAG},
                "testFramework": {"enabled": False},
                "serviceAccount": {"create": True, "name": FLUENT_BIT},
                "rbac": {"create": False},
                "config": {
                    "inputs": _INPUTS,
                    "filters": "",
                    "outputs": _OUTPUTS.format(region=settings.region, group=group.log_group_name),
                },
                "resources": {
                    "requests": {"cpu": "50m", "memory": "64Mi"},
                    "limits": {"memory": "128Mi"},
                },
            },
        )
        chart.node.add_dependency(association, role, *cluster.ready)
