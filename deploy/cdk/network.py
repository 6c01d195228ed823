"""The network: private subnets, one way out, and S3 without a detour."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy.cdk.acknowledged import CLOUDFORMATION, acknowledge
from deploy.cdk.settings import Settings


class Network(Construct):
    """A VPC over the zones of a stage.

    One NAT gateway serves all zones, because two more cost 70 $ a month: while its zone is away
    the source cannot be polled, and the poller's records of before are safe in Kafka. Interface
    endpoints for AWS's services would cost more than the gateway, which the poller needs anyway.
    """

    def __init__(self, scope: Construct, identifier: str, *, settings: Settings) -> None:
        super().__init__(scope, identifier)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.0.0.0/16"),
            availability_zones=list(settings.zones),
            nat_gateways=1,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,
                ),
                ec2.SubnetConfiguration(
                    name="private",
                    subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS,
                    cidr_mask=20,
                ),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
            },
        )
        acknowledge(
            self.vpc,
            "Zones are settings, so that a synthesis looks nothing up.",
            "W3010",
            pack=CLOUDFORMATION,
        )
        # Refused connections are rare and explain most faults of a network; all would cost more.
        self.vpc.add_flow_log(
            "Rejected",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                logs.LogGroup(self, "Log", log_group_name=f"/txfeatures/{settings.stage}/network")
            ),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        self.private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
