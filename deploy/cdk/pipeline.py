"""The pipeline: each commit is tested, built, signed, deployed, and asked whether it works."""

from typing import cast

from aws_cdk import CfnElement, Duration, Environment, RemovalPolicy, Stack, Stage, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.gate import gate_name
from deploy.cdk.log_groups import end_logs
from deploy.cdk.registry import RegistryStack
from deploy.cdk.settings import Repository, Settings
from deploy.cdk.system import SystemStack

ARTIFACT_DAYS = 30
DEPLOY = "Deploy"

_ARTIFACT_VERBS = ("Abort", "DeleteObject", "GetBucket", "GetObject", "List")

_ARM = codebuild.LinuxArmBuildImage.AMAZON_LINUX_2_STANDARD_3_0
_INTEL = codebuild.LinuxBuildImage.AMAZON_LINUX_2_5


class SystemStage(Stage):
    """The stage that the pipeline deploys."""

    def __init__(
        self, scope: Construct, identifier: str, *, settings: Settings, registry: str
    ) -> None:
        super().__init__(
            scope,
            identifier,
            env=Environment(account=settings.account, region=settings.region),
        )
        SystemStack(self, "System", settings=settings, registry=registry)


class PipelineStack(Stack):
    """A pipeline that deploys one stage, and changes itself first."""

    def __init__(
        self,
        scope: Construct,
        identifier: str,
        *,
        settings: Settings,
        repository: Repository,
        registry: RegistryStack,
    ) -> None:
        super().__init__(
            scope,
            identifier,
            stack_name=f"{settings.name}-pipeline",
            env=Environment(account=settings.account, region=settings.region),
            description="Deploys txfeatures from its repository",
        )
        end_logs(self, keep=settings.keep_data)
        self._settings = settings
        self._registry = registry
        self._log = logs.LogGroup(
            self, "Log", log_group_name=f"/txfeatures/{settings.stage}/pipeline"
        )
        self._source = pipelines.CodePipelineSource.connection(
            repository.name, repository.branch, connection_arn=repository.connection
        )
        digests = self._images()
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            pipeline_name=settings.name,
            pipeline_type=codepipeline.PipelineType.V2,
            artifact_bucket=self._artifacts(),
            synth=pipelines.ShellStep(
                "Synth",
                input=self._source,
                additional_inputs={"build/images": digests},
                commands=[
                    "make .venv-cdk/installed",
                    *(["make studio"] if settings.studio else []),
                    f".venv-cdk/bin/python -m deploy.cdk {repository.settings} "
                    "--digests build/images/digests.json --out cdk.out",
                ],
            ),
            code_build_defaults=self._builds(),
        )
        pipeline.add_stage(
            SystemStage(self, DEPLOY, settings=settings, registry=registry.host),
            post=[self._gate()],
        )
        pipeline.build_pipeline()
        self._roll_back(pipeline)
        self._acknowledge(pipeline)

    def _artifacts(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Artifacts",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(ARTIFACT_DAYS))],
            removal_policy=RemovalPolicy.DESTROY,
            auto_delete_objects=True,
        )
        acknowledge(bucket, "The pipeline alone uses it, and has a log of its own.", "S1")
        return bucket

    def _builds(self) -> pipelines.CodeBuildOptions:
        return pipelines.CodeBuildOptions(
            build_environment=codebuild.BuildEnvironment(
                build_image=_INTEL, compute_type=codebuild.ComputeType.MEDIUM
            ),
            logging=codebuild.LoggingOptions(
                cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=self._log)
            ),
            timeout=Duration.hours(2),
        )

    def _images(self) -> pipelines.FileSet:
        """Test, then build for each architecture on a machine of its own, then join and sign."""
        tests = pipelines.CodeBuildStep("Tests", input=self._source, commands=["make test"])
        built = {
            "amd64": self._build("amd64", _INTEL, after=tests),
            "arm64": self._build("arm64", _ARM, after=tests),
        }
        key = kms.Key(
            self,
            "Signatures",
            alias=f"alias/{self._settings.name}-images",
            description="Signs images",
            key_spec=kms.KeySpec.ECC_NIST_P256,
            key_usage=kms.KeyUsage.SIGN_VERIFY,
            removal_policy=RemovalPolicy.RETAIN
            if self._settings.keep_data
            else RemovalPolicy.DESTROY,
        )
        signs = iam.PolicyStatement(
            actions=["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"], resources=[key.key_arn]
        )
        publish = pipelines.CodeBuildStep(
            "Images",
            input=self._source,
            additional_inputs=built,
            commands=[
                "export REVISION=$CODEBUILD_RESOLVED_SOURCE_VERSION BUILD=$CODEBUILD_BUILD_NUMBER",
                "sh deploy/cdk/steps/publish.sh",
            ],
            env={"REGISTRY": self._registry.host, "SIGNING_KEY": key.key_arn},
            build_environment=codebuild.BuildEnvironment(build_image=_INTEL, privileged=True),
            role_policy_statements=[*self._pushes(), signs],
        )
        return publish.add_output_directory("build/images")

    def _build(
        self, name: str, image: codebuild.IBuildImage, *, after: pipelines.Step
    ) -> pipelines.FileSet:
        step = pipelines.CodeBuildStep(
            f"Build-{name}",
            input=self._source,
            commands=[
                "export REVISION=$CODEBUILD_RESOLVED_SOURCE_VERSION",
                "sh deploy/cdk/steps/build.sh",
            ],
            env={"REGISTRY": self._registry.host},
            build_environment=codebuild.BuildEnvironment(
                build_image=image, compute_type=codebuild.ComputeType.LARGE, privileged=True
            ),
            role_policy_statements=self._pushes(),
        )
        step.add_step_dependency(after)
        return step.add_output_directory("build/images")

    def _pushes(self) -> list[iam.PolicyStatement]:
        """Return the rights to push images and to read what their scan has found."""
        return [
            # The token is the account's; the service knows no narrower resource.
            iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
            iam.PolicyStatement(
                actions=[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:BatchGetImage",
                    "ecr:CompleteLayerUpload",
                    "ecr:DescribeImageScanFindings",
                    "ecr:DescribeImages",
                    "ecr:GetDownloadUrlForLayer",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ],
                resources=[each.repository_arn for each in self._registry.repositories.values()],
            ),
        ]

    def _gate(self) -> pipelines.CodeBuildStep:
        project = gate_name(self._settings)
        arn = self.format_arn(service="codebuild", resource="project", resource_name=project)
        return pipelines.CodeBuildStep(
            "Gate",
            input=self._source,
            commands=["sh deploy/cdk/steps/gate.sh"],
            env={"PROJECT": project},
            role_policy_statements=[
                iam.PolicyStatement(
                    actions=["codebuild:StartBuild", "codebuild:BatchGetBuilds"], resources=[arn]
                )
            ],
        )

    def _roll_back(self, pipeline: pipelines.CodePipeline) -> None:
        """Return to the last successful execution when a deployment or its gate fails."""
        made = cast("codepipeline.CfnPipeline", pipeline.pipeline.node.default_child)
        number = [stage.stage_name for stage in pipeline.pipeline.stages].index(DEPLOY)
        made.add_property_override(f"Stages.{number}.OnFailure.Result", "ROLLBACK")

    def _acknowledge(self, pipeline: pipelines.CodePipeline) -> None:
        place = f"{self._settings.region}:{self._settings.account}"
        log = f"arn:{self._settings.partition}:logs:{place}:log-group:/aws/codebuild"
        report = f"arn:{self._settings.partition}:codebuild:{place}:report-group"
        builds = [
            self.get_logical_id(found)
            for found in pipeline.node.find_all()
            if isinstance(found, codebuild.CfnProject)
        ]
        acknowledge(
            pipeline,
            "CDK's own grants: a build reads and writes the pipeline's artifacts, its log and its "
            "reports; self-update takes only roles that CDK's bootstrap has tagged.",
            *(f"IAM5[Action::s3:{verb}*]" for verb in _ARTIFACT_VERBS),
            f"IAM5[Resource::<{self._logical_id(pipeline.pipeline.artifact_bucket)}.Arn>/*]",
            *(f"IAM5[Resource::{log}/{name}:*]" for name in (f"<{each}>" for each in builds)),
            *(f"IAM5[Resource::{report}/<{name}>-*]" for name in builds),
            f"IAM5[Resource::{log}/*]",
            f"IAM5[Resource::{report}/*]",
            f"IAM5[Resource::arn:*:iam::{self._settings.account}:role/*]",
        )
        acknowledge(
            pipeline,
            "ECR's token, CloudFormation's DescribeStacks and bucket lists of CDK's own builds: "
            "the services know no narrower resource, or CDK cannot know it before.",
            "IAM5[Resource::*]",
        )
        acknowledge(
            pipeline,
            "Artifacts are the public source, templates and digests; S3 encrypts them.",
            "CB4",
        )

    def _logical_id(self, found: IConstruct) -> str:
        return self.get_logical_id(cast("CfnElement", found.node.default_child))
