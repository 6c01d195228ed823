"""The stack of one stage: everything around a release, and the release."""

from aws_cdk import CfnOutput, Environment, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import custom_resources as custom
from constructs import Construct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.cluster import Cluster
from deploy.cdk.gate import Gate
from deploy.cdk.kafka import PORT, Kafka
from deploy.cdk.log_groups import end_logs
from deploy.cdk.network import Network
from deploy.cdk.pod_logs import PodLogs
from deploy.cdk.release import Release, values
from deploy.cdk.rights import Rights, site
from deploy.cdk.settings import Settings
from deploy.cdk.storage import Storage
from deploy.cdk.studio import StudioDomain
from deploy.cdk.watching import Watching
from deploy.iam.site import Site


class SystemStack(Stack):
    """One stage of the system."""

    def __init__(
        self, scope: Construct, identifier: str, *, settings: Settings, registry: str
    ) -> None:
        super().__init__(
            scope,
            identifier,
            stack_name=settings.name,
            env=Environment(account=settings.account, region=settings.region),
            description="txfeatures: network, Kafka, cluster, stores and the release",
        )
        end_logs(self, keep=settings.keep_data)
        self._zones = settings.zones
        acknowledge(
            self,
            "AWS's own policy with which a function writes its log; CDK gives it to its functions.",
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSLambdaBasicExecutionRole]",
        )
        network = Network(self, "Network", settings=settings)
        storage = Storage(self, "Storage", settings=settings)
        kafka = Kafka(self, "Kafka", settings=settings, network=network, key=storage.key)
        cluster = Cluster(self, "Cluster", settings=settings, network=network, key=storage.key)
        kafka.security_group.add_ingress_rule(
            cluster.eks.cluster_security_group,
            ec2.Port.tcp(PORT),
            "Pods, which have the cluster's own group",
        )
        names = site(
            settings,
            cluster_name=kafka.cluster_name,
            cluster_arn=kafka.arn,
            key_arn=storage.key.key_arn,
        )
        rights = Rights(self, "Rights", site=names, cluster_name=cluster.eks.cluster_name)
        found = values(
            settings,
            names,
            registry=registry,
            bootstrap_servers=kafka.bootstrap_servers,
            store_role=rights.store_role,
        )
        pod_logs = PodLogs(self, "PodLogs", settings=settings, cluster=cluster)
        leftovers = () if settings.keep_data else (self._feature_group(names, settings),)
        Release(
            self,
            "Release",
            cluster=cluster,
            site=names,
            values=found,
            after=(storage, rights, pod_logs, *leftovers),
        )
        Gate(
            self,
            "Gate",
            settings=settings,
            network=network,
            cluster=cluster,
            site=names,
        )
        if settings.studio:
            StudioDomain(self, "Studio", settings=settings.studio, network=network, site=names)
        Watching(self, "Watching", settings=settings, site=names, key=storage.key)
        CfnOutput(self, "ClusterName", value=cluster.eks.cluster_name)

    @property
    def availability_zones(self) -> list[str]:
        """Zones of the stage, which CDK would otherwise look up in the account."""
        return list(self._zones)

    def _feature_group(self, names: Site, settings: Settings) -> custom.AwsCustomResource:
        """Delete the feature group with the stack: bootstrap created it, so nothing else would.

        The release depends on it, hence its writers are gone before it is.
        """
        place = f"{settings.region}:{settings.account}"
        arn = f"arn:{settings.partition}:sagemaker:{place}:feature-group/{names.feature_group}"
        return custom.AwsCustomResource(
            self,
            "FeatureGroup",
            on_delete=custom.AwsSdkCall(
                service="SageMaker",
                action="deleteFeatureGroup",
                parameters={"FeatureGroupName": names.feature_group},
                ignore_error_codes_matching="ResourceNotFound",
            ),
            install_latest_aws_sdk=False,
            policy=custom.AwsCustomResourcePolicy.from_statements(
                [iam.PolicyStatement(actions=["sagemaker:DeleteFeatureGroup"], resources=[arn])]
            ),
        )
