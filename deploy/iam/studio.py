"""The rights of what makes and deletes SageMaker Studio: the custom resource, or an operator."""

from deploy.iam.grants import Grant, Process
from txfeatures.studio.account import OWNER_TAG

_SAGEMAKER = "arn:{partition}:sagemaker:{region}:{account}"
_ROLE = ("arn:{partition}:iam::{account}:role/{studio_role}",)

# SageMaker chooses a domain's id, of which all other names in the domain are made.
_DOMAINS = (f"{_SAGEMAKER}:domain/*",)
_PROFILES = (f"{_SAGEMAKER}:user-profile/*",)
_SPACES = (f"{_SAGEMAKER}:space/*",)
_APPS = (f"{_SAGEMAKER}:app/*",)


def _of_a_domain(service: str) -> dict[str, dict[str, str]]:
    """Return the condition that a domain has made what is deleted, and nobody else."""
    return {"StringLike": {f"{service}:ResourceTag/{OWNER_TAG}": _DOMAINS[0]}}


STUDIO = Process(
    description="`txfeatures studio`, as a function of CloudFormation's",
    aws=(
        Grant(
            actions=(
                "sagemaker:ListDomains",
                "sagemaker:ListApps",
                "sagemaker:ListSpaces",
                "sagemaker:ListUserProfiles",
                "ec2:DescribeSecurityGroups",
            ),
            resources=("*",),
        ),
        Grant(
            actions=(
                "sagemaker:CreateDomain",
                "sagemaker:DescribeDomain",
                "sagemaker:DeleteDomain",
            ),
            resources=_DOMAINS,
        ),
        Grant(
            actions=("sagemaker:CreateUserProfile", "sagemaker:DeleteUserProfile"),
            resources=_PROFILES,
        ),
        Grant(actions=("sagemaker:CreateSpace", "sagemaker:DeleteSpace"), resources=_SPACES),
        Grant(actions=("sagemaker:DeleteApp",), resources=_APPS),
        Grant(actions=("sagemaker:AddTags",), resources=(*_DOMAINS, *_PROFILES, *_SPACES)),
        Grant(
            actions=(
                "elasticfilesystem:DescribeFileSystems",
                "elasticfilesystem:DescribeMountTargets",
            ),
            resources=("arn:{partition}:elasticfilesystem:{region}:{account}:file-system/*",),
        ),
        Grant(
            actions=(
                "elasticfilesystem:DeleteMountTarget",
                "elasticfilesystem:DeleteFileSystem",
            ),
            resources=("arn:{partition}:elasticfilesystem:{region}:{account}:file-system/*",),
            when=_of_a_domain("aws"),
        ),
        Grant(
            actions=(
                "ec2:RevokeSecurityGroupIngress",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:DeleteSecurityGroup",
            ),
            resources=("arn:{partition}:ec2:{region}:{account}:security-group/*",),
            when=_of_a_domain("ec2"),
        ),
        Grant(
            actions=(
                "iam:CreateRole",
                "iam:GetRole",
                "iam:TagRole",
                "iam:PutRolePolicy",
                "iam:ListRolePolicies",
                "iam:ListAttachedRolePolicies",
                "iam:DetachRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:DeleteRole",
            ),
            resources=_ROLE,
        ),
        Grant(
            actions=("iam:PassRole",),
            resources=_ROLE,
            when={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
    ),
    principal="lambda.amazonaws.com",
)
