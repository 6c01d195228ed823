"""The calls that make what is missing of a Studio [pure]."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from txfeatures.studio.parts import IN_SERVICE, Call, Domain, Parts, remember

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
        }
    ],
}

POLICY = "txfeatures"
TAGS = [{"Key": "app.kubernetes.io/name", "Value": "txfeatures"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Studio:
    """A Studio as it should be.

    Attributes:
        name: Name of the domain; the role's and the space's names derive from it.
        role: Name of the execution role.
        vpc: The VPC of the domain.
        subnets: Subnets in it, 1 to 16.
        policy: JSON of the rights that the role gets.
        user: Name of the user profile.
        notebooks: Git repository that the space clones, or None for an empty space.
        instance: Type of the notebook's machine.
    """

    name: str
    role: str
    vpc: str
    subnets: tuple[str, ...]
    policy: str
    user: str
    notebooks: str | None
    instance: str

    @property
    def space(self) -> str:
        """Name of the space with the notebooks."""
        return f"{self.name}-notebooks"


def creations(studio: Studio, parts: Parts) -> list[Call]:
    """Return the calls that are due now; none while what was asked for is being made."""
    role = parts.role
    if role is None:
        return [_create_role(studio)]
    if POLICY not in role.inline:
        policy = {"RoleName": role.name, "PolicyName": POLICY, "PolicyDocument": studio.policy}
        return [Call("iam", "put_role_policy", policy, f"give role {role.name} its rights")]
    if parts.domain is None:
        return [_create_domain(studio, role.arn)]
    if role.domain_id != parts.domain.id:
        return [remember(role.name, parts.domain.id)]
    return _create_members(studio, parts, parts.domain)


def missing(studio: Studio, parts: Parts) -> list[str]:
    """Return the parts that are not in service yet, with their states."""
    domain = parts.domain.status if parts.domain else None
    profile, space = (
        {one.name: one.status for one in members}.get(name)
        for name, members in ((studio.user, parts.profiles), (studio.space, parts.spaces))
    )
    states = {
        f"domain {studio.name}": domain,
        f"user profile {studio.user}": profile,
        f"space {studio.space}": space,
    }
    return [
        f"{what} ({state or 'to be made'})" for what, state in states.items() if state != IN_SERVICE
    ]


def failed(parts: Parts) -> list[str]:
    """Return a sentence for each part that AWS could not make."""
    domain = parts.domain
    found = [(kind, name) for kind, name, state in parts.listed() if state.endswith("ailed")]
    reason = f": {domain.failure}" if domain and domain.failure else ""
    return [f"{kind} {name} has failed{reason}" for kind, name in found]


def _create_role(studio: Studio) -> Call:
    parameters = {
        "RoleName": studio.role,
        "AssumeRolePolicyDocument": json.dumps(TRUST),
        "Description": f"Execution role of the SageMaker domain {studio.name}",
        "Tags": TAGS,
    }
    return Call("iam", "create_role", parameters, f"create role {studio.role}")


def _create_domain(studio: Studio, role: str) -> Call:
    parameters: dict[str, Any] = {
        "DomainName": studio.name,
        "AuthMode": "IAM",
        "DefaultUserSettings": {"ExecutionRole": role, "StudioWebPortal": "ENABLED"},
        "DefaultSpaceSettings": {"ExecutionRole": role},
        "VpcId": studio.vpc,
        "SubnetIds": list(studio.subnets),
        "AppNetworkAccessType": "PublicInternetOnly",
        # A home file system is what most failed deletions trip over; spaces have their own disks.
        "HomeEfsFileSystemCreation": "Disabled",
        "Tags": TAGS,
    }
    return Call("sagemaker", "create_domain", parameters, f"create domain {studio.name}")


def _create_members(studio: Studio, parts: Parts, domain: Domain) -> list[Call]:
    inside = {"DomainId": domain.id}
    profiles = {one.name: one.status for one in parts.profiles}
    if domain.status != IN_SERVICE:
        return []
    if studio.user not in profiles:
        name = {"UserProfileName": studio.user, "Tags": TAGS}
        sentence = f"create user profile {studio.user}"
        return [Call("sagemaker", "create_user_profile", inside | name, sentence)]
    if profiles[studio.user] != IN_SERVICE or studio.space in {one.name for one in parts.spaces}:
        return []
    space = {
        "SpaceName": studio.space,
        "OwnershipSettings": {"OwnerUserProfileName": studio.user},
        "SpaceSharingSettings": {"SharingType": "Private"},
        "SpaceSettings": _space_settings(studio),
        "Tags": TAGS,
    }
    return [Call("sagemaker", "create_space", inside | space, f"create space {studio.space}")]


def _space_settings(studio: Studio) -> Mapping[str, Any]:
    lab: dict[str, Any] = {"DefaultResourceSpec": {"InstanceType": studio.instance}}
    if studio.notebooks:
        lab["CodeRepositories"] = [{"RepositoryUrl": studio.notebooks}]
    return {"AppType": "JupyterLab", "JupyterLabAppSettings": lab}
