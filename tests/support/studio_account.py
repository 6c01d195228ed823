"""An AWS account with a Studio, behind real clients of boto3, on a virtual clock.

Requests are checked against the model of the service, and answers as well. Deletion is as slow
and as fussy as the true one: apps take twenty minutes, spaces block profiles, a domain leaves
its file system and two security groups that refer to each other.
"""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any

from tests.support.modelled_aws import Answer, Handler, Parameters, error, modelled_client
from txfeatures.process.clock import ManualClock
from txfeatures.studio.account import Account

ACCOUNT = "123456789012"
REGION = "eu-west-1"
APP_S, SPACE_S, PROFILE_S, DOMAIN_S, MOUNT_S, FILE_SYSTEM_S = 1200, 60, 30, 300, 90, 20
ROLE_SPREADS_S = 12


class KilledError(BaseException):
    """The process ended here."""


@dataclass(slots=True)
class Thing:
    """A resource: what describes it, and when its present state ends."""

    about: dict[str, Any]
    status: str = "InService"
    until: float = 0.0
    then: str = ""


@dataclass
class StudioAccount:
    """The state of the account, and the calls that were made.

    Attributes:
        clock: Moves only by waiting.
        leaves_file_system: Whether a deleted domain's file system stays, as without a policy.
        dies_after: Number of changes after which the caller is killed, or None.
        changes: The operations that changed something, in order.
        calls: Every operation that was called, with its service.
    """

    clock: ManualClock = field(default_factory=ManualClock)
    leaves_file_system: bool = True
    fails: dict[str, str] = field(default_factory=dict)
    dies_after: int | None = None
    changes: list[str] = field(default_factory=list)
    calls: set[tuple[str, str]] = field(default_factory=set)
    domains: dict[str, Thing] = field(default_factory=dict)
    profiles: dict[str, Thing] = field(default_factory=dict)
    spaces: dict[str, Thing] = field(default_factory=dict)
    apps: dict[str, Thing] = field(default_factory=dict)
    file_systems: dict[str, Thing] = field(default_factory=dict)
    mount_targets: dict[str, Thing] = field(default_factory=dict)
    groups: dict[str, Answer] = field(default_factory=dict)
    roles: dict[str, Answer] = field(default_factory=dict)
    _ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def account(self) -> Account:
        """Clients that this account answers."""

        def handler(service: str, operation: str) -> Handler:
            self._settle()
            self.calls.add((service, operation))
            return getattr(self, f"_{operation}")  # type: ignore[no-any-return]

        names = ("sagemaker", "efs", "ec2", "iam")
        return Account(
            **{name: modelled_client(name, partial(handler, name), REGION) for name in names}
        )

    def is_empty(self) -> bool:
        """Return whether nothing is left that costs money or blocks the VPC."""
        self._settle()
        live_apps = [app for app in self.apps.values() if app.status != "Deleted"]
        return not (
            live_apps
            or self.domains
            or self.profiles
            or self.spaces
            or self.file_systems
            or self.mount_targets
            or self.groups
            or self.roles
        )

    def add_app(self, domain: str, owner: dict[str, str], type_: str, name: str) -> None:
        """Add a running app."""
        about = {"DomainId": domain, **owner, "AppType": type_, "AppName": name}
        self.apps[f"{type_}/{name}"] = Thing(about)

    def add_home(self, domain: str) -> None:
        """Add what a domain with a home file system has: the system, its targets, two groups."""
        system = f"fs-{domain}"
        arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:domain/{domain}"
        self.file_systems[system] = Thing(
            {"ManagedByAmazonSageMakerResource": arn}, status="available"
        )
        for zone in "ab":
            self.mount_targets[f"fsmt-{zone}-{domain}"] = Thing(
                {"FileSystemId": system}, status="available"
            )
        names = [f"security-group-for-{way}-nfs-{domain}" for way in ("inbound", "outbound")]
        ids = [f"sg-{way}-{domain}" for way in ("inbound", "outbound")]
        for name, own, other in zip(names, ids, reversed(ids), strict=True):
            rule = {
                "IpProtocol": "tcp",
                "FromPort": 988,
                "ToPort": 1023,
                "UserIdGroupPairs": [{"GroupId": other, "UserId": ACCOUNT}],
            }
            self.groups[own] = {
                "GroupName": name,
                "IpPermissions": [rule] if "inbound" in own else [],
                "IpPermissionsEgress": [] if "inbound" in own else [rule],
            }

    def _change(self, operation: str) -> None:
        if operation in self.fails:
            raise error(operation, self.fails[operation], "told to fail")
        if self.dies_after is not None and len(self.changes) >= self.dies_after:
            raise KilledError
        self.changes.append(operation)

    def _settle(self) -> None:
        now = self.clock.now()
        for things in (
            self.apps, self.spaces, self.profiles, self.domains,
            self.mount_targets, self.file_systems,
        ):  # fmt: skip
            for key, thing in list(things.items()):
                if thing.then and now >= thing.until:
                    thing.status, thing.then = thing.then, ""
                    if thing.status == "gone":
                        del things[key]

    def _becomes(self, thing: Thing, status: str, after_s: float, then: str) -> None:
        thing.status, thing.until, thing.then = status, self.clock.now() + after_s, then

    # SageMaker

    def _create_domain(self, asked: Parameters) -> Answer:
        role = asked["DefaultUserSettings"]["ExecutionRole"].rpartition("/")[2]
        if self.clock.now() < self.roles[role]["usable"]:
            raise error("CreateDomain", "ValidationException", "SageMaker can't assume the role")
        self._change("CreateDomain")
        found = f"d-{next(self._ids):012d}"
        thing = self.domains[found] = Thing({"DomainName": asked["DomainName"]})
        self._becomes(thing, "Pending", DOMAIN_S, "InService")
        if asked.get("HomeEfsFileSystemCreation") != "Disabled":
            self.add_home(found)
        return {"DomainId": found}

    def _describe_domain(self, asked: Parameters) -> Answer:
        thing = self._get(self.domains, asked["DomainId"], "DescribeDomain")
        return {
            "DomainId": asked["DomainId"],
            "Status": thing.status,
            "Url": f"https://{asked['DomainId']}.studio.{REGION}.sagemaker.aws",
            **thing.about,
        }

    def _list_domains(self, _: Parameters) -> Answer:
        return {
            "Domains": [
                {"DomainId": key, "Status": thing.status, **thing.about}
                for key, thing in self.domains.items()
            ]
        }

    def _delete_domain(self, asked: Parameters) -> None:
        thing = self._get(self.domains, asked["DomainId"], "DeleteDomain")
        live = [app for app in self.apps.values() if app.status != "Deleted"]
        if self.profiles or self.spaces or live or thing.status == "Pending":
            raise error("DeleteDomain", "ResourceInUse", "it has user profiles")
        self._change("DeleteDomain")
        self._becomes(thing, "Deleting", DOMAIN_S, "gone")
        if asked.get("RetentionPolicy") == {"HomeEfsFileSystem": "Delete"} and not (
            self.leaves_file_system
        ):
            self.file_systems.clear()
            self.mount_targets.clear()

    def _create_user_profile(self, asked: Parameters) -> Answer:
        self._change("CreateUserProfile")
        thing = self.profiles[asked["UserProfileName"]] = Thing({})
        self._becomes(thing, "Pending", PROFILE_S, "InService")
        return {}

    def _list_user_profiles(self, _: Parameters) -> Answer:
        return {"UserProfiles": _members(self.profiles, "UserProfileName")}

    def _delete_user_profile(self, asked: Parameters) -> None:
        name = asked["UserProfileName"]
        thing = self._get(self.profiles, name, "DeleteUserProfile")
        owned = [space for space in self.spaces.values() if space.about["owner"] == name]
        live = [
            app
            for app in self.apps.values()
            if app.about.get("UserProfileName") == name and app.status != "Deleted"
        ]
        if owned or live:
            raise error("DeleteUserProfile", "ResourceInUse", "it owns spaces or apps")
        self._change("DeleteUserProfile")
        self._becomes(thing, "Deleting", PROFILE_S, "gone")

    def _create_space(self, asked: Parameters) -> Answer:
        owner = asked["OwnershipSettings"]["OwnerUserProfileName"]
        if self._get(self.profiles, owner, "CreateSpace").status != "InService":
            raise error("CreateSpace", "ResourceInUse", "its owner is not in service")
        self._change("CreateSpace")
        thing = self.spaces[asked["SpaceName"]] = Thing(
            {"owner": owner, "settings": asked["SpaceSettings"]}
        )
        self._becomes(thing, "Pending", SPACE_S, "InService")
        return {}

    def _list_spaces(self, _: Parameters) -> Answer:
        return {"Spaces": _members(self.spaces, "SpaceName")}

    def _delete_space(self, asked: Parameters) -> None:
        thing = self._get(self.spaces, asked["SpaceName"], "DeleteSpace")
        if any(
            app.about.get("SpaceName") == asked["SpaceName"] and app.status != "Deleted"
            for app in self.apps.values()
        ):
            raise error("DeleteSpace", "ResourceInUse", "it has apps")
        self._change("DeleteSpace")
        self._becomes(thing, "Deleting", SPACE_S, "gone")

    def _list_apps(self, _: Parameters) -> Answer:
        apps = [{**app.about, "Status": app.status} for app in self.apps.values()]
        return {"Apps": apps}

    def _delete_app(self, asked: Parameters) -> None:
        assert ("UserProfileName" in asked) != ("SpaceName" in asked)
        thing = self._get(self.apps, f"{asked['AppType']}/{asked['AppName']}", "DeleteApp")
        self._change("DeleteApp")
        self._becomes(thing, "Deleting", APP_S, "Deleted")  # and it stays listed

    # EFS and EC2

    def _describe_file_systems(self, _: Parameters) -> Answer:
        return {
            "FileSystems": [
                {
                    "OwnerId": ACCOUNT,
                    "CreationToken": key,
                    "FileSystemId": key,
                    "CreationTime": datetime.fromtimestamp(0, UTC),
                    "LifeCycleState": thing.status,
                    "NumberOfMountTargets": 0,
                    "SizeInBytes": {"Value": 6144},
                    "PerformanceMode": "generalPurpose",
                    "Tags": [{"Key": name, "Value": value} for name, value in thing.about.items()],
                }
                for key, thing in self.file_systems.items()
            ]
        }

    def _describe_mount_targets(self, asked: Parameters) -> Answer:
        return {
            "MountTargets": [
                {
                    "MountTargetId": key,
                    "FileSystemId": asked["FileSystemId"],
                    "SubnetId": "subnet-0123456789",
                    "LifeCycleState": thing.status,
                }
                for key, thing in self.mount_targets.items()
                if thing.about["FileSystemId"] == asked["FileSystemId"]
            ]
        }

    def _delete_mount_target(self, asked: Parameters) -> None:
        thing = self._get(
            self.mount_targets, asked["MountTargetId"], "DeleteMountTarget", "MountTargetNotFound"
        )
        self._change("DeleteMountTarget")
        self._becomes(thing, "deleting", MOUNT_S, "gone")

    def _delete_file_system(self, asked: Parameters) -> None:
        found = asked["FileSystemId"]
        thing = self._get(self.file_systems, found, "DeleteFileSystem", "FileSystemNotFound")
        if any(one.about["FileSystemId"] == found for one in self.mount_targets.values()):
            raise error("DeleteFileSystem", "FileSystemInUse", "it has mount targets")
        self._change("DeleteFileSystem")
        self._becomes(thing, "deleting", FILE_SYSTEM_S, "gone")

    def _describe_security_groups(self, asked: Parameters) -> Answer:
        [filter_] = asked["Filters"]
        return {
            "SecurityGroups": [
                {"GroupId": key, **group}
                for key, group in self.groups.items()
                if group["GroupName"] in filter_["Values"]
            ]
        }

    def _revoke_security_group_ingress(self, asked: Parameters) -> Answer:
        return self._revoke(asked, "IpPermissions", "RevokeSecurityGroupIngress")

    def _revoke_security_group_egress(self, asked: Parameters) -> Answer:
        return self._revoke(asked, "IpPermissionsEgress", "RevokeSecurityGroupEgress")

    def _revoke(self, asked: Parameters, key: str, operation: str) -> Answer:
        group = self.groups[asked["GroupId"]]
        assert asked["IpPermissions"] == group[key]
        self._change(operation)
        group[key] = []
        return {"Return": True}

    def _delete_security_group(self, asked: Parameters) -> Answer:
        found = asked["GroupId"]
        refers = any(
            pair["GroupId"] == found
            for key, group in self.groups.items()
            if key != found
            for rule in (*group["IpPermissions"], *group["IpPermissionsEgress"])
            for pair in rule["UserIdGroupPairs"]
        )
        if refers or self.mount_targets:
            raise error("DeleteSecurityGroup", "DependencyViolation", "it is referred to")
        self._change("DeleteSecurityGroup")
        del self.groups[found]
        return {"Return": True}

    # IAM

    def _create_role(self, asked: Parameters) -> Answer:
        self._change("CreateRole")
        self.roles[asked["RoleName"]] = {
            "tags": {tag["Key"]: tag["Value"] for tag in asked["Tags"]},
            "inline": {},
            "attached": [],
            "usable": self.clock.now() + ROLE_SPREADS_S,
        }
        return self._get_role(asked)

    def _get_role(self, asked: Parameters) -> Answer:
        name = asked["RoleName"]
        role = self._get(self.roles, name, "GetRole", "NoSuchEntity")
        return {
            "Role": {
                "Path": "/",
                "RoleName": name,
                "RoleId": "AROATESTTESTTESTTEST",
                "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
                "CreateDate": datetime.fromtimestamp(0, UTC),
                "Tags": [{"Key": key, "Value": value} for key, value in role["tags"].items()],
            }
        }

    def _tag_role(self, asked: Parameters) -> None:
        role = self._get(self.roles, asked["RoleName"], "TagRole", "NoSuchEntity")
        self._change("TagRole")
        role["tags"] |= {tag["Key"]: tag["Value"] for tag in asked["Tags"]}

    def _put_role_policy(self, asked: Parameters) -> None:
        role = self._get(self.roles, asked["RoleName"], "PutRolePolicy", "NoSuchEntity")
        self._change("PutRolePolicy")
        role["inline"][asked["PolicyName"]] = asked["PolicyDocument"]

    def _list_role_policies(self, asked: Parameters) -> Answer:
        return {"PolicyNames": list(self.roles[asked["RoleName"]]["inline"])}

    def _list_attached_role_policies(self, asked: Parameters) -> Answer:
        attached = self.roles[asked["RoleName"]]["attached"]
        return {"AttachedPolicies": [{"PolicyArn": arn} for arn in attached]}

    def _delete_role_policy(self, asked: Parameters) -> None:
        self._change("DeleteRolePolicy")
        del self.roles[asked["RoleName"]]["inline"][asked["PolicyName"]]

    def _detach_role_policy(self, asked: Parameters) -> None:
        self._change("DetachRolePolicy")
        self.roles[asked["RoleName"]]["attached"].remove(asked["PolicyArn"])

    def _delete_role(self, asked: Parameters) -> None:
        role = self.roles[asked["RoleName"]]
        if role["inline"] or role["attached"]:
            raise error("DeleteRole", "DeleteConflict", "it has policies")
        self._change("DeleteRole")
        del self.roles[asked["RoleName"]]

    @staticmethod
    def _get(
        things: dict[str, Any], key: str, operation: str, code: str = "ResourceNotFound"
    ) -> Any:
        if key not in things:
            raise error(operation, code, f"{key} does not exist")
        return things[key]


def _members(things: dict[str, Thing], key: str) -> list[Answer]:
    return [{key: name, "Status": thing.status} for name, thing in things.items()]
