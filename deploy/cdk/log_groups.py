"""An end for every log group."""

import jsii
from aws_cdk import Aspects, IAspect, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from constructs import IConstruct

LOG_DAYS = 30


def end_logs(stack: Stack, *, keep: bool) -> None:
    """End the entries of every log group of a stack, and the groups with it unless they are kept.

    Each stack does it, because what an app demands does not reach the stages of a pipeline.
    """
    Aspects.of(stack).add(_End(keep=keep))


@jsii.implements(IAspect)
class _End:
    """Changes log groups, also those that constructs of CDK make."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep

    def visit(self, node: IConstruct) -> None:
        """Change ``node`` if it is a log group."""
        if isinstance(node, logs.CfnLogGroup):
            node.retention_in_days = LOG_DAYS
            node.apply_removal_policy(RemovalPolicy.RETAIN if self._keep else RemovalPolicy.DESTROY)
