"""The app: the stacks of a stage, and the rules that all of them keep."""

from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import AwsSolutionsChecks

from deploy.cdk.pipeline import PipelineStack
from deploy.cdk.registry import RegistryStack
from deploy.cdk.settings import Settings
from deploy.cdk.system import SystemStack

FLAGS = {
    # A function's log is then a part of its stack, and goes with it.
    "@aws-cdk/aws-lambda:useCdkManagedLogGroup": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal": True,
    "@aws-cdk/core:enablePartitionLiterals": True,
    "@aws-cdk/core:checkSecretUsage": True,
    "aws-cdk:enableDiffNoFail": True,
    "@aws-cdk/customresources:installLatestAwsSdkDefault": False,
    "@aws-cdk/aws-ec2:restrictDefaultSecurityGroup": True,
    "@aws-cdk/core:target-partitions": ["aws", "aws-cn", "aws-us-gov"],
}


def build(settings: Settings, out: Path) -> App:
    """Return the app of a stage, whose ``synth`` writes to a directory.

    Args:
        settings: The stage.
        out: Directory of the cloud assembly.
    """
    app = App(outdir=str(out), context=FLAGS, analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    registry = RegistryStack(app, "Registry", settings=settings)
    if settings.repository is None:
        SystemStack(app, "System", settings=settings, registry=registry.host)
    else:
        PipelineStack(
            app,
            "Pipeline",
            settings=settings,
            repository=settings.repository,
            registry=registry,
        )
    return app
