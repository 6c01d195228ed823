"""The brokers: MSK Standard on KRaft, reached with IAM over TLS from inside the network."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_msk as msk
from aws_cdk import custom_resources as custom
from constructs import Construct

from deploy.cdk.network import Network
from deploy.cdk.settings import Settings

VERSION = "3.9.x.kraft"
"""With IAM, MSK supports the end of transactions from 3.8 on; it supports 3.9 longest."""

INSTANCE = "kafka.t3.small"
DISK_GB = 20
MESSAGE_BYTES = 8 * 1024 * 1024
"""Above the largest transaction of Bitcoin, 4.4 MB of JSON; our topics set a limit of their own."""

PORT = 9098
"""Brokers' port for IAM inside the network."""


def broker_properties(brokers: int) -> dict[str, str]:
    """Return the brokers' own configuration, for topics that nobody has configured.

    Bootstrap sets the same for ours. MSK's defaults allow an unclean leader election, which loses
    what was acknowledged, and in two zones one replica in sync.
    """
    in_sync = str(brokers - 1)
    return {
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(brokers),
        "message.max.bytes": str(MESSAGE_BYTES),
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": str(brokers),
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.replication.factor": str(brokers),
        "unclean.leader.election.enable": "false",
    }


class Kafka(Construct):
    """A cluster with a broker in each zone.

    Attributes:
        cluster_name: Name of the cluster.
        arn: Its ARN; name, account and region are known before it exists, which `deploy.iam` needs.
        bootstrap_servers: Addresses for clients with IAM.
        security_group: The brokers'; others must be let in.
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
        self.cluster_name = settings.name
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=network.vpc,
            description="Brokers. Only the port for IAM is open, to those who need it.",
            allow_all_outbound=False,
        )
        configuration = msk.CfnConfiguration(
            self,
            "Configuration",
            name=settings.name,
            description="Nothing acknowledged is lost; no topic is created by a misspelt name",
            server_properties=_text(broker_properties(len(settings.zones))),
        )
        log = logs.LogGroup(self, "Log", log_group_name=f"/txfeatures/{settings.stage}/kafka")
        cluster = msk.CfnCluster(
            self,
            "Cluster",
            cluster_name=self.cluster_name,
            kafka_version=VERSION,
            number_of_broker_nodes=len(settings.zones),
            broker_node_group_info=msk.CfnCluster.BrokerNodeGroupInfoProperty(
                instance_type=INSTANCE,
                client_subnets=network.vpc.select_subnets(
                    subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS
                ).subnet_ids,
                security_groups=[self.security_group.security_group_id],
                connectivity_info=msk.CfnCluster.ConnectivityInfoProperty(
                    public_access=msk.CfnCluster.PublicAccessProperty(type="DISABLED")
                ),
                storage_info=msk.CfnCluster.StorageInfoProperty(
                    ebs_storage_info=msk.CfnCluster.EBSStorageInfoProperty(volume_size=DISK_GB)
                ),
            ),
            configuration_info=msk.CfnCluster.ConfigurationInfoProperty(
                arn=configuration.attr_arn, revision=configuration.attr_latest_revision_revision
            ),
            client_authentication=msk.CfnCluster.ClientAuthenticationProperty(
                sasl=msk.CfnCluster.SaslProperty(iam=msk.CfnCluster.IamProperty(enabled=True)),
                unauthenticated=msk.CfnCluster.UnauthenticatedProperty(enabled=False),
            ),
            encryption_info=msk.CfnCluster.EncryptionInfoProperty(
                encryption_at_rest=msk.CfnCluster.EncryptionAtRestProperty(
                    data_volume_kms_key_id=key.key_arn
                ),
                encryption_in_transit=msk.CfnCluster.EncryptionInTransitProperty(
                    client_broker="TLS", in_cluster=True
                ),
            ),
            enhanced_monitoring="PER_TOPIC_PER_BROKER" if settings.topic_metrics else "PER_BROKER",
            logging_info=msk.CfnCluster.LoggingInfoProperty(
                broker_logs=msk.CfnCluster.BrokerLogsProperty(
                    cloud_watch_logs=msk.CfnCluster.CloudWatchLogsProperty(
                        enabled=True, log_group=log.log_group_name
                    )
                )
            ),
        )
        # Topics are a pipeline's short memory: what matters is in the bucket and the feature group.
        cluster.apply_removal_policy(RemovalPolicy.DESTROY)
        self.arn = cluster.attr_arn
        self.bootstrap_servers = self._bootstrap_servers()

    def _bootstrap_servers(self) -> str:
        """Look the addresses up, which CloudFormation's resource does not return."""
        field = "BootstrapBrokerStringSaslIam"
        call = custom.AwsSdkCall(
            service="Kafka",
            action="getBootstrapBrokers",
            parameters={"ClusterArn": self.arn},
            physical_resource_id=custom.PhysicalResourceId.of(field),
            output_paths=[field],
        )
        brokers = custom.AwsCustomResource(
            self,
            "Brokers",
            on_create=call,
            on_update=call,
            install_latest_aws_sdk=False,
            policy=custom.AwsCustomResourcePolicy.from_statements(
                [iam.PolicyStatement(actions=["kafka:GetBootstrapBrokers"], resources=[self.arn])]
            ),
        )
        return brokers.get_response_field(field)


def _text(properties: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in properties.items())
