"""The AWS account of a Studio: its parts as they are now, and the calls that change them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from txfeatures.feature_store.errors import Failure, translated
from txfeatures.feature_store.retries import Retries
from txfeatures.process import aws
from txfeatures.process.settings import AwsSettings
from txfeatures.studio.parts import (
    DELETED,
    DOMAIN_TAG,
    App,
    Call,
    Domain,
    FileSystem,
    Member,
    Parts,
    Role,
    SecurityGroup,
)

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_efs import EFSClient
    from types_boto3_iam import IAMClient
    from types_boto3_sagemaker import SageMakerClient

SERVICE = "SageMaker Studio"
OWNER_TAG = "ManagedByAmazonSageMakerResource"
"""Tag of a home file system; its value is the ARN of the domain."""

GROUP_NAMES = ("security-group-for-inbound-nfs-{}", "security-group-for-outbound-nfs-{}")

_GONE = frozenset(
    {
        "FileSystemNotFound", "InvalidGroup.NotFound", "InvalidPermission.NotFound",
        "MountTargetNotFound", "NoSuchEntity", "ResourceNotFound",
    }
)  # fmt: skip
_NOT_YET = frozenset(
    {
        "ConcurrentModification", "DeleteConflict", "DependencyTimeout", "DependencyViolation",
        "EntityAlreadyExists", "FileSystemInUse", "IncorrectFileSystemLifeCycleState",
        "ResourceInUse",
    }
)  # fmt: skip
"""Codes of a call that came before AWS was ready for it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The clients of the four services that hold parts of a Studio."""

    sagemaker: "SageMakerClient"
    efs: "EFSClient"
    ec2: "EC2Client"
    iam: "IAMClient"

    def inspect(self, name: str, domain_id: str | None = None) -> Parts:
        """Return the parts of the Studio ``name``, or of the domain ``domain_id``.

        A domain given by its id need not be of our making; no role belongs to it then.

        Raises:
            TransientError: AWS is throttled or unavailable.
            FatalError: AWS refused a call.
        """
        with translated(SERVICE):
            role = None if domain_id else self._role(name)
            found = domain_id or (role and role.domain_id) or self._id_of(name)
            if not found:
                return Parts(role=role)
            domain = self._domain(found)
            inside = {"DomainIdEquals": found}
            return Parts(
                domain_id=found,
                domain=domain,
                apps=self._apps(inside) if domain else (),
                spaces=self._members("list_spaces", "Spaces", "SpaceName", inside)
                if domain
                else (),
                profiles=self._members(
                    "list_user_profiles", "UserProfiles", "UserProfileName", inside
                )
                if domain
                else (),
                file_systems=self._file_systems(found),
                security_groups=self._security_groups(found),
                role=role,
            )

    def perform(self, call: Call) -> bool:
        """Make a call; return False if AWS is not ready for it, or its subject is gone.

        Raises:
            TransientError: AWS is throttled or unavailable.
            FatalError: AWS refused the call.
        """
        try:
            getattr(getattr(self, call.service), call.operation)(**call.parameters)
        except (ClientError, BotoCoreError) as error:
            failure = Failure.of(error)
            if failure.code in _NOT_YET | _GONE or _is_young_role(failure):
                return False
            raise failure.error(SERVICE) from error
        return True

    def _id_of(self, name: str) -> str | None:
        for page in self.sagemaker.get_paginator("list_domains").paginate():
            for domain in page["Domains"]:
                if domain.get("DomainName") == name:
                    return domain["DomainId"]
        return None

    def _domain(self, domain_id: str) -> Domain | None:
        found = _found(lambda: self.sagemaker.describe_domain(DomainId=domain_id))
        return found and Domain(
            id=domain_id,
            status=found["Status"],
            url=found.get("Url", ""),
            failure=found.get("FailureReason", ""),
        )

    def _apps(self, inside: Mapping[str, str]) -> tuple[App, ...]:
        pages = self.sagemaker.get_paginator("list_apps").paginate(**inside)  # type: ignore[arg-type]
        return tuple(
            App(
                owner={
                    key: str(app.get(key))
                    for key in ("UserProfileName", "SpaceName")
                    if app.get(key)
                },
                type=app["AppType"],
                name=app["AppName"],
                status=app["Status"],
            )
            for page in pages
            for app in page["Apps"]
            if app["Status"] != DELETED  # they stay listed for a day
        )

    def _members(
        self, operation: Any, listed: str, key: str, inside: Mapping[str, str]
    ) -> tuple[Member, ...]:
        pages: Any = self.sagemaker.get_paginator(operation).paginate(**inside)
        return tuple(
            Member(name=one[key], status=one["Status"]) for page in pages for one in page[listed]
        )

    def _file_systems(self, domain_id: str) -> tuple[FileSystem, ...]:
        owner = f":domain/{domain_id}"
        return tuple(
            FileSystem(
                id=system["FileSystemId"],
                state=system["LifeCycleState"],
                mount_targets=self._mount_targets(system["FileSystemId"]),
            )
            for page in self.efs.get_paginator("describe_file_systems").paginate()
            for system in page["FileSystems"]
            if system["LifeCycleState"] != "deleted"
            and any(t["Key"] == OWNER_TAG and t["Value"].endswith(owner) for t in system["Tags"])
        )

    def _mount_targets(self, file_system: str) -> dict[str, str]:
        found = _found(lambda: self.efs.describe_mount_targets(FileSystemId=file_system))
        return {
            target["MountTargetId"]: target["LifeCycleState"]
            for target in (found["MountTargets"] if found else ())
            if target["LifeCycleState"] != "deleted"
        }

    def _security_groups(self, domain_id: str) -> tuple[SecurityGroup, ...]:
        names = [name.format(domain_id) for name in GROUP_NAMES]
        found = self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": names}])
        return tuple(
            SecurityGroup(
                id=group["GroupId"],
                name=group["GroupName"],
                ingress=tuple(group["IpPermissions"]),
                egress=tuple(group["IpPermissionsEgress"]),
            )
            for group in found["SecurityGroups"]
        )

    def _role(self, studio: str) -> Role | None:
        name = role_name(studio)
        found = _found(lambda: self.iam.get_role(RoleName=name))
        if found is None:
            return None
        tags = {tag["Key"]: tag["Value"] for tag in found["Role"].get("Tags", ())}
        attached = self.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return Role(
            name=name,
            arn=found["Role"]["Arn"],
            domain_id=tags.get(DOMAIN_TAG),
            inline=tuple(self.iam.list_role_policies(RoleName=name)["PolicyNames"]),
            attached=tuple(policy["PolicyArn"] for policy in attached),
        )


def connect(settings: AwsSettings, retries: Retries) -> Account:
    """Return the account that the environment's credentials belong to."""
    return Account(
        sagemaker=retries.attach(aws.sagemaker(settings)),
        efs=retries.attach(aws.efs(settings)),
        ec2=retries.attach(aws.ec2(settings)),
        iam=retries.attach(aws.iam(settings)),
    )


def role_name(studio: str) -> str:
    """Return the name of a Studio's execution role."""
    return f"{studio}-studio"


def _found(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except ClientError as error:
        if Failure.of(error).code in _GONE:
            return None
        raise


def _is_young_role(failure: Failure) -> bool:
    """Return whether SageMaker can't assume a role because IAM has not spread it yet."""
    return failure.meaning == "invalid" and "assume" in failure.message.lower()
