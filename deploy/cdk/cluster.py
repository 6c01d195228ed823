"""The Kubernetes cluster: EKS, its machines, its add-ons and KEDA."""

from typing import cast

from aws_cdk import CfnElement, RemovalPolicy, Size, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks as eks_resources
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk.lambda_layer_kubectl_v36 import KubectlV36Layer
from constructs import Construct, IConstruct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.network import Network
from deploy.cdk.rights import KEDA
from deploy.cdk.settings import Settings
from deploy.iam.policies import POD_IDENTITY

MACHINE = "t4g.medium"
DISK_GB = 20
STORAGE_CLASS = "gp3"
KEDA_VERSION = "2.18.1"

# The chart's NetworkPolicies are enforced by the network plug-in, unless nobody asks it to.
_ADD_ONS = {
    "vpc-cni": '{"enableNetworkPolicy": "true"}',
    "kube-proxy": None,
    "eks-pod-identity-agent": None,
}
_ADD_ONS_ON_NODES = ("coredns", "metrics-server")

_NODE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
)


class Cluster(Construct):
    """A cluster that runs the chart.

    Attributes:
        eks: The cluster.
        tools: A layer with helm and kubectl, which its functions use.
        ready: What must be there before a release: storage class, add-ons, KEDA.
    """

    def __init__(
        self,
        scope: Construct,
        identifier: str,
        *,
        settings: Settings,
        network: Network,
        key: kms.IKey,
    ) -> None:
        super().__init__(scope, identifier)
        self._settings = settings
        networks = settings.endpoint_networks
        # EKS writes to a group of this name, and creates one that never expires if it is missing.
        log = logs.LogGroup(self, "Log", log_group_name=f"/aws/eks/{settings.name}/cluster")
        self.tools = KubectlV36Layer(self, "Kubectl")
        self.eks = eks.Cluster(
            self,
            "Cluster",
            cluster_name=settings.name,
            version=eks.KubernetesVersion.V1_36,
            vpc=network.vpc,
            vpc_subnets=[network.private],
            endpoint_access=eks.EndpointAccess.PUBLIC_AND_PRIVATE.only_from(*networks)
            if networks
            else eks.EndpointAccess.PRIVATE,
            default_capacity_type=eks.DefaultCapacityType.NODEGROUP,
            default_capacity=0,
            bootstrap_self_managed_addons=False,
            bootstrap_cluster_creator_admin_permissions=False,
            secrets_encryption_key=key,
            cluster_logging=[
                eks.ClusterLoggingTypes.API,
                eks.ClusterLoggingTypes.AUDIT,
                eks.ClusterLoggingTypes.AUTHENTICATOR,
                eks.ClusterLoggingTypes.CONTROLLER_MANAGER,
                eks.ClusterLoggingTypes.SCHEDULER,
            ],
            kubectl_provider_options=eks.KubectlProviderOptions(
                kubectl_layer=self.tools,
                private_subnets=network.vpc.private_subnets,
                memory=Size.gibibytes(1),
            ),
        )
        self.eks.node.add_dependency(log)
        self._acknowledge()
        if settings.administrator:
            self.eks.grant_access(
                "Administrator",
                settings.administrator,
                [
                    eks.AccessPolicy.from_access_policy_name(
                        "AmazonEKSClusterAdminPolicy", access_scope_type=eks.AccessScopeType.CLUSTER
                    )
                ],
            )
        first = [self._add_on(name, values) for name, values in _ADD_ONS.items()]
        machines = self._machines()
        machines.node.add_dependency(*first)
        later = [*(self._add_on(name) for name in _ADD_ONS_ON_NODES), self._volumes()]
        for each in later:
            each.node.add_dependency(machines)
        storage = self._storage_class()
        storage.node.add_dependency(*later)
        keda = self._keda()
        keda.node.add_dependency(*later)
        self.ready = (storage, keda)

    def _acknowledge(self) -> None:
        managed = "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy"
        acknowledge(
            self.eks,
            "The policy that EKS demands of a cluster's role, in its own words.",
            f"{managed}/AmazonEKSClusterPolicy]",
        )
        if self._settings.endpoint_networks:
            acknowledge(self.eks, "Administrators come from the networks of the settings.", "EKS1")
        provider = self.eks.node.find_child("KubectlProvider")
        function = provider.node.find_child("Handler").node
        handler = self._logical_id(function.default_child)
        public = self._logical_id(function.find_child("HasEcrPublic"))
        bucket = f"cdk-hnb659fds-assets-{self._settings.account}-{self._settings.region}"
        acknowledge(
            provider,
            "CDK's functions that run helm: they read charts from CDK's own bucket and from "
            "registries, and call each other. CDK chooses their runtime, too.",
            f"{managed}/service-role/AWSLambdaVPCAccessExecutionRole]",
            f"{managed}/AmazonEC2ContainerRegistryReadOnly]",
            f'IAM4[Policy::{{"Fn::If":["{public}",{{"Fn::Join":["",["arn:",'
            '{"Ref":"AWS::Partition"},":iam::aws:policy/AmazonElasticContainerRegistryPublicReadOnly"]]},'
            '{"Ref":"AWS::NoValue"}]}]',
            "IAM5[Action::s3:GetBucket*]",
            "IAM5[Action::s3:GetObject*]",
            "IAM5[Action::s3:List*]",
            f"IAM5[Resource::arn:{self._settings.partition}:s3:::{bucket}/*]",
            f"IAM5[Resource::<{handler}.Arn>:*]",
            "L1",
        )

    def _logical_id(self, found: IConstruct | None) -> str:
        return Stack.of(self).get_logical_id(cast("CfnElement", found))

    def _add_on(self, name: str, values: str | None = None) -> eks_resources.CfnAddon:
        return eks_resources.CfnAddon(
            self,
            name,
            addon_name=name,
            cluster_name=self.eks.cluster_name,
            configuration_values=values,
            resolve_conflicts="OVERWRITE",
        )

    def _machines(self) -> eks.Nodegroup:
        """Make the machines; no pod gets at their role, because its answer is one hop too far."""
        template = ec2.CfnLaunchTemplate(
            self,
            "Machine",
            launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
                metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                    http_tokens="required", http_put_response_hop_limit=1
                ),
                block_device_mappings=[
                    ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(
                        device_name="/dev/xvda",
                        ebs=ec2.CfnLaunchTemplate.EbsProperty(
                            encrypted=True,
                            volume_size=DISK_GB,
                            volume_type="gp3",
                            delete_on_termination=True,
                        ),
                    )
                ],
            ),
        )
        role = iam.Role(
            self,
            "MachineRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(name) for name in _NODE_POLICIES
            ],
        )
        acknowledge(
            role,
            "The policies that EKS documents for its machines, which it extends as kubelet "
            "changes; pods cannot reach the role.",
            *(
                f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{name}]"
                for name in _NODE_POLICIES
            ),
        )
        count = self._settings.nodes
        return self.eks.add_nodegroup_capacity(
            "Machines",
            instance_types=[ec2.InstanceType(MACHINE)],
            ami_type=eks.NodegroupAmiType.AL2023_ARM_64_STANDARD,
            min_size=count,
            desired_size=count,
            max_size=count + 1,  # room for the new one while the old ones are replaced
            node_role=role,
            launch_template_spec=eks.LaunchTemplateSpec(
                id=template.ref, version=template.attr_latest_version_number
            ),
        )

    def _volumes(self) -> eks_resources.CfnAddon:
        """Install the driver that makes the pollers' disks."""
        managed = "service-role/AmazonEBSCSIDriverPolicy"
        role = iam.Role(
            self,
            "VolumesRole",
            assumed_by=iam.SessionTagsPrincipal(iam.ServicePrincipal(POD_IDENTITY)),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(managed)],
        )
        acknowledge(
            role,
            "The driver's own policy: it reaches the volumes that the driver has tagged.",
            f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{managed}]",
        )
        driver = self._add_on("aws-ebs-csi-driver")
        driver.pod_identity_associations = [
            eks_resources.CfnAddon.PodIdentityAssociationProperty(
                role_arn=role.role_arn, service_account="ebs-csi-controller-sa"
            )
        ]
        return driver

    def _storage_class(self) -> eks.KubernetesManifest:
        return self.eks.add_manifest(
            "StorageClass",
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": STORAGE_CLASS},
                "provisioner": "ebs.csi.aws.com",
                "parameters": {"type": "gp3", "encrypted": "true"},
                "reclaimPolicy": "Delete",
                "volumeBindingMode": "WaitForFirstConsumer",
                "allowVolumeExpansion": True,
            },
        )

    def _keda(self) -> eks.HelmChart:
        return self.eks.add_helm_chart(
            "Keda",
            chart="keda",
            repository="https://kedacore.github.io/charts",
            version=KEDA_VERSION,
            release=KEDA,
            namespace=KEDA,
            atomic=True,
            removal_policy=RemovalPolicy.DESTROY,
            values={
                "podIdentity": {"aws": {"irsa": {"enabled": False}}},
                "env": [{"name": "AWS_REGION", "value": self._settings.region}],
            },
        )
