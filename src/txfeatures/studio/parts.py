"""The parts of one Studio in an account, and the calls that delete them [pure].

The order of deletion is Studio's own: apps, spaces, user profiles, the domain, then what the
domain leaves behind (its file system, and two security groups that refer to each other), and
the role last, because its tag is where the domain's id outlives the domain.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

DELETED, DELETING, IN_SERVICE = "Deleted", "Deleting", "InService"
LIVE_FILE_SYSTEM = "available"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of AWS: ``service`` is boto3's name, ``sentence`` reports it."""

    service: str
    operation: str
    parameters: Mapping[str, Any]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A running notebook server or kernel; ``owner`` is its profile or its space."""

    owner: Mapping[str, str]
    type: str
    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user profile or a space, by name."""

    name: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A Studio domain that still exists."""

    id: str
    status: str
    url: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """A home file system that a deleted domain has left; states are EFS's own."""

    id: str
    state: str
    mount_targets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup:
    """A group that Studio made for NFS, with its rules as EC2 describes them."""

    id: str
    name: str
    ingress: tuple[Mapping[str, Any], ...] = ()
    egress: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The execution role; ``domain_id`` is the tag that names the domain."""

    name: str
    arn: str
    domain_id: str | None = None
    inline: tuple[str, ...] = ()
    attached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything of one Studio that an account holds at a moment."""

    domain_id: str | None = None
    domain: Domain | None = None
    apps: tuple[App, ...] = ()
    spaces: tuple[Member, ...] = ()
    profiles: tuple[Member, ...] = ()
    file_systems: tuple[FileSystem, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    role: Role | None = None

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Yield kind, name and state of each part."""
        for app in self.apps:
            yield "app", f"{app.type} {app.name}", app.status
        for space in self.spaces:
            yield "space", space.name, space.status
        for profile in self.profiles:
            yield "user profile", profile.name, profile.status
        if self.domain:
            yield "domain", self.domain.id, self.domain.status
        for system in self.file_systems:
            yield "file system", system.id, system.state
        for group in self.security_groups:
            yield "security group", group.name, "exists"
        if self.role:
            yield "role", self.role.name, "exists"


def deletions(parts: Parts) -> list[Call]:
    """Return the calls that are due now; none if all that is left is being deleted already.

    Each call is allowed in the state that ``parts`` describes, so that a purge is a loop of
    inspection and due calls, and may be killed between any two of them.
    """
    if parts.domain:
        return _remember(parts.domain, parts.role) + _members(parts.domain, parts)
    if parts.file_systems:
        return [call for system in parts.file_systems for call in _file_system(system)]
    if parts.security_groups:
        return _security_groups(parts.security_groups)
    return _role(parts.role) if parts.role else []


def _remember(domain: Domain, role: Role | None) -> list[Call]:
    return [] if role is None or role.domain_id == domain.id else [remember(role.name, domain.id)]


DOMAIN_TAG = "txfeatures:studio-domain"
"""Tag of the role: the id of the domain, under which its remains are found later."""


def remember(role: str, domain_id: str) -> Call:
    """Return the call that writes the domain's id to the role."""
    tags = [{"Key": DOMAIN_TAG, "Value": domain_id}]
    sentence = f"tag role {role} with domain {domain_id}"
    return Call("iam", "tag_role", {"RoleName": role, "Tags": tags}, sentence)


def _members(domain: Domain, parts: Parts) -> list[Call]:
    inside = {"DomainId": domain.id}
    if parts.apps:
        return [
            Call(
                "sagemaker",
                "delete_app",
                inside | dict(app.owner) | {"AppType": app.type, "AppName": app.name},
                f"delete app {app.type} {app.name} of {' '.join(app.owner.values())}",
            )
            for app in parts.apps
            if app.status != DELETING
        ]
    for kind, operation, key, members in (
        ("space", "delete_space", "SpaceName", parts.spaces),
        ("user profile", "delete_user_profile", "UserProfileName", parts.profiles),
    ):
        if members:
            return [
                Call("sagemaker", operation, inside | {key: one.name}, f"delete {kind} {one.name}")
                for one in members
                if one.status != DELETING
            ]
    if domain.status in {DELETING, "Updating", "Pending"}:
        return []
    retention = {"RetentionPolicy": {"HomeEfsFileSystem": "Delete"}}  # AWS's default is to keep it
    return [Call("sagemaker", "delete_domain", inside | retention, f"delete domain {domain.id}")]


def _file_system(system: FileSystem) -> list[Call]:
    if system.mount_targets:
        return [
            Call(
                "efs",
                "delete_mount_target",
                {"MountTargetId": target},
                f"delete mount target {target} of file system {system.id}",
            )
            for target, state in system.mount_targets.items()
            if state == LIVE_FILE_SYSTEM
        ]
    if system.state != LIVE_FILE_SYSTEM:
        return []
    found = {"FileSystemId": system.id}
    return [Call("efs", "delete_file_system", found, f"delete file system {system.id}")]


def _security_groups(groups: tuple[SecurityGroup, ...]) -> list[Call]:
    # While a rule of one refers to the other, EC2 deletes neither.
    rules = [
        Call(
            "ec2",
            f"revoke_security_group_{direction}",
            {"GroupId": group.id, "IpPermissions": list(permissions)},
            f"revoke the {direction} rules of security group {group.name}",
        )
        for group in groups
        for direction, permissions in (("ingress", group.ingress), ("egress", group.egress))
        if permissions
    ]
    return rules or [
        Call(
            "ec2",
            "delete_security_group",
            {"GroupId": group.id},
            f"delete security group {group.name}",
        )
        for group in groups
    ]


def _role(role: Role) -> list[Call]:
    name = {"RoleName": role.name}
    policies = [
        Call(
            "iam",
            "delete_role_policy",
            name | {"PolicyName": policy},
            f"delete policy {policy} of role {role.name}",
        )
        for policy in role.inline
    ] + [
        Call(
            "iam",
            "detach_role_policy",
            name | {"PolicyArn": policy},
            f"detach policy {policy} from role {role.name}",
        )
        for policy in role.attached
    ]
    return policies or [Call("iam", "delete_role", name, f"delete role {role.name}")]
