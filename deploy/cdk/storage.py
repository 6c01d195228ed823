"""The stores that exist before a release: key, bucket, Glue's database, Athena's workgroup."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_athena as athena
from aws_cdk import aws_glue as glue
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.settings import Settings
from txfeatures.archive.catalog import DATABASE
from txfeatures.archive.layout import RESULTS_PREFIX
from txfeatures.bootstrap.bucket import OLD_VERSIONS_DAYS, RESULTS_DAYS, UPLOADS_DAYS


class Storage(Construct):
    """Key, bucket, database and workgroup; bootstrap adds feature group and table.

    Attributes:
        key: Encrypts bucket, feature group, results, brokers' disks and the cluster's secrets.
        bucket: Archive, offline store and results of queries.
        workgroup: Name of the workgroup.
    """

    def __init__(self, scope: Construct, identifier: str, *, settings: Settings) -> None:
        super().__init__(scope, identifier)
        kept = RemovalPolicy.RETAIN if settings.keep_data else RemovalPolicy.DESTROY
        self.key = kms.Key(
            self,
            "Key",
            alias=f"alias/{settings.name}",
            description=f"Data of {settings.name}",
            enable_key_rotation=True,
            pending_window=Duration.days(7),
            removal_policy=kept,
        )
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            bucket_name=settings.bucket,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            bucket_key_enabled=True,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="old-versions",
                    abort_incomplete_multipart_upload_after=Duration.days(UPLOADS_DAYS),
                    expired_object_delete_marker=True,
                    noncurrent_version_expiration=Duration.days(OLD_VERSIONS_DAYS),
                ),
                s3.LifecycleRule(
                    id="query-results",
                    prefix=RESULTS_PREFIX,
                    expiration=Duration.days(RESULTS_DAYS),
                ),
            ],
            removal_policy=kept,
            auto_delete_objects=not settings.keep_data,
        )
        acknowledge(
            self.bucket,
            "One account reads and writes it, and CloudTrail records who changes it; a log of each "
            "request would be an object for each of ours, in one more bucket.",
            "S1",
        )
        self.database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=settings.account,
            database_input=glue.CfnDatabase.DatabaseInputProperty(
                name=DATABASE, description="Archive of txfeatures; bootstrap creates its table."
            ),
        )
        self.database.apply_removal_policy(kept)
        self.workgroup = settings.name
        athena.CfnWorkGroup(
            self,
            "Workgroup",
            name=self.workgroup,
            recursive_delete_option=True,
            work_group_configuration=athena.CfnWorkGroup.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                publish_cloud_watch_metrics_enabled=True,
                result_configuration=athena.CfnWorkGroup.ResultConfigurationProperty(
                    output_location=f"s3://{settings.bucket}/{RESULTS_PREFIX}",
                    expected_bucket_owner=settings.account,
                    encryption_configuration=athena.CfnWorkGroup.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS", kms_key=self.key.key_arn
                    ),
                ),
            ),
        )
