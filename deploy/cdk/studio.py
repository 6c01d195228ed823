"""SageMaker Studio for data scientists, which the stack makes and, unlike CloudFormation, deletes.

CloudFormation's own domain leaves its home file system and two security groups behind, and then
cannot delete the network. Here the steps of ``txfeatures studio`` own it, as a custom resource.
"""

from collections.abc import Iterator, Mapping
from typing import cast

from aws_cdk import CfnElement, CustomResource, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as functions
from aws_cdk import custom_resources as custom
from constructs import Construct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.network import Network
from deploy.cdk.rights import starred
from deploy.cdk.settings import StudioSettings
from deploy.cdk.studio_function import code
from deploy.iam.declared import PROCESSES
from deploy.iam.policies import policy
from deploy.iam.site import Site

LIMIT = Duration.hours(1)
"""CloudFormation's; apps of a Studio take twenty minutes."""

_FRAMEWORK = ("isComplete", "onTimeout")
"""Functions of CDK's framework that its state machine calls."""


class StudioDomain(Construct):
    """A domain without a home file system, with a user and a space that has the notebooks."""

    def __init__(
        self,
        scope: Construct,
        identifier: str,
        *,
        settings: StudioSettings,
        network: Network,
        site: Site,
    ) -> None:
        super().__init__(scope, identifier)
        rights = policy(PROCESSES["studio"], site)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Makes and deletes SageMaker Studio",
            inline_policies={"studio": iam.PolicyDocument.from_json(rights)},
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name(
                    "service-role/AWSLambdaBasicExecutionRole"
                )
            ],
        )
        package = functions.Code.from_asset(str(code()))
        handlers = {
            name: functions.Function(
                self,
                name,
                runtime=functions.Runtime.PYTHON_3_13,
                architecture=functions.Architecture.X86_64,
                code=package,
                handler=f"txfeatures.studio.custom_resource.{name}",
                role=role,
                memory_size=512,
                timeout=Duration.minutes(5),
            )
            for name in ("on_event", "is_complete")
        }
        provider = custom.Provider(
            self,
            "Provider",
            on_event_handler=handlers["on_event"],
            is_complete_handler=handlers["is_complete"],
            query_interval=Duration.seconds(30),
            total_timeout=LIMIT,
        )
        CustomResource(
            self,
            "Studio",
            resource_type="Custom::Studio",
            service_token=provider.service_token,
            service_timeout=LIMIT,
            properties={
                "Name": site.studio,
                "Vpc": network.vpc.vpc_id,
                "Subnets": network.vpc.select_subnets(
                    subnet_type=network.private.subnet_type
                ).subnet_ids,
                "Policy": Stack.of(self).to_json_string(policy(PROCESSES["data_scientist"], site)),
                "User": settings.user,
                "Instance": settings.instance,
                **({"Notebooks": settings.notebooks} if settings.notebooks else {}),
            },
        )
        self._acknowledge(role, starred(self, rights), provider, handlers)

    def _acknowledge(
        self,
        role: iam.Role,
        found: Iterator[str],
        provider: custom.Provider,
        handlers: Mapping[str, functions.Function],
    ) -> None:
        acknowledge(
            role,
            "Stars of deploy.iam stand for ids that SageMaker chooses; its tests find each right "
            "needed. Lists know no narrower resource.",
            *found,
        )
        for handler in handlers.values():
            acknowledge(handler, "The Python with which a test has run this code.", "L1")
        called = [handler.node for handler in handlers.values()]
        called += [provider.node.find_child(f"framework-{name}").node for name in _FRAMEWORK]
        names = [
            Stack.of(self).get_logical_id(cast("CfnElement", node.default_child)) for node in called
        ]
        acknowledge(
            provider,
            "CDK's framework: its functions call each other in all versions. Its state machine "
            "only repeats a call, and each call has a log.",
            *(f"IAM5[Resource::<{name}.Arn>:*]" for name in names),
            "SF1",
            "SF2",
        )
