"""The images' registry, which must exist before the first image is pushed."""

from aws_cdk import Environment, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from deploy.cdk.log_groups import end_logs
from deploy.cdk.settings import IMAGES, Settings

KEPT_IMAGES = 20
"""Releases that can be rolled back to; each is an index, two images and their attestations."""


class RegistryStack(Stack):
    """A repository for each image.

    Attributes:
        host: Host of the account's registry, which the chart calls its registry.
        repositories: The repository of each image.
    """

    def __init__(self, scope: Construct, identifier: str, *, settings: Settings) -> None:
        super().__init__(
            scope,
            identifier,
            stack_name=f"{settings.name}-registry",
            env=Environment(account=settings.account, region=settings.region),
            description="Images of txfeatures",
        )
        end_logs(self, keep=settings.keep_data)
        self.repositories = {
            name: ecr.Repository(
                self,
                name,
                repository_name=f"txfeatures-{name.replace('_', '-')}",
                image_scan_on_push=True,
                image_tag_mutability=ecr.TagMutability.IMMUTABLE,
                encryption=ecr.RepositoryEncryption.AES_256,
                lifecycle_rules=[
                    ecr.LifecycleRule(
                        description="Untagged images belong to a push that failed, or to an index.",
                        max_image_count=KEPT_IMAGES * 5,
                    )
                ],
                empty_on_delete=not settings.keep_data,
                removal_policy=RemovalPolicy.RETAIN
                if settings.keep_data
                else RemovalPolicy.DESTROY,
            )
            for name in IMAGES
        }
        self.host = f"{settings.account}.dkr.ecr.{self.region}.{self.url_suffix}"
