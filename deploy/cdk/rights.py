"""A role for each process, with the rights that `deploy.iam` declares."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from aws_cdk import Fn, Stack
from aws_cdk import aws_eks as eks
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy.cdk.acknowledged import acknowledge
from deploy.cdk.settings import Settings
from deploy.iam.declared import PROCESSES
from deploy.iam.grants import Process
from deploy.iam.policies import Json, policy, trust
from deploy.iam.site import Site

KEDA = "keda"
"""Namespace and release of KEDA, whose chart makes the service account keda-operator."""

STORE_ROLE = "feature_store"


def site(settings: Settings, *, cluster_name: str, cluster_arn: str, key_arn: str) -> Site:
    """Return the names of the installation, as `deploy.iam` wants them.

    Only the cluster's unique suffix and the key are unknown before they exist.
    """
    suffix = Fn.select(2, Fn.split("/", cluster_arn))
    scope = f"{settings.partition}:kafka:{settings.region}:{settings.account}"
    return Site(
        cluster=f"arn:{scope}:cluster/{cluster_name}/{suffix}",
        bucket=settings.bucket,
        store_role=f"{settings.name}-{settings.region}-feature-store",
        workgroup=settings.name,
        kms_key=key_arn,
        # A role's name is the account's, whatever the region.
        studio=f"{settings.name}-{settings.region}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """A process that takes a role.

    Attributes:
        name: Its name in `deploy.iam`.
        process: Its rights.
        site: Its names, with the namespace and the release of its service account.
    """

    name: str
    process: Process
    site: Site

    @property
    def account(self) -> str:
        """Name of its service account."""
        return f"{self.site.release}-{self.process.account}"


class Rights(Construct):
    """The roles of a release's processes, of KEDA and of SageMaker.

    Attributes:
        store_role: ARN of the role with which SageMaker writes the offline store.
    """

    def __init__(self, scope: Construct, identifier: str, *, site: Site, cluster_name: str) -> None:
        super().__init__(scope, identifier)
        for taker in _takers(site):
            role = self._role(taker)
            if taker.process.account is None:
                self.store_role = role.attr_arn
                continue
            eks.CfnPodIdentityAssociation(
                self,
                f"{taker.name}-association",
                cluster_name=cluster_name,
                namespace=taker.site.namespace,
                service_account=taker.account,
                role_arn=role.attr_arn,
            )

    def _role(self, taker: Taker) -> iam.CfnRole:
        document = policy(taker.process, taker.site)
        role = iam.CfnRole(
            self,
            taker.name,
            # The one whose name others must know before it exists: bootstrap passes it on.
            role_name=taker.site.store_role if taker.name == STORE_ROLE else None,
            description=taker.process.description.replace("`", ""),
            assume_role_policy_document=trust(taker.process, taker.site),
            policies=[iam.CfnRole.PolicyProperty(policy_name=taker.name, policy_document=document)],
        )
        acknowledge(
            role,
            "Stars of deploy.iam stand for objects below our prefixes and for ids that a service's "
            "own name begins; its tests find each of them needed.",
            *starred(self, document),
        )
        return role


def starred(scope: Construct, document: Json) -> Iterator[str]:
    """Yield cdk-nag's findings of starred resources, which it writes as text with JSON in it."""
    for statement in document["Statement"]:
        for resource in statement["Resource"]:
            if "*" in resource:
                found = Stack.of(scope).resolve(resource)
                parts = [found] if isinstance(found, str) else found["Fn::Join"][1]
                text = "".join(
                    part if isinstance(part, str) else json.dumps(part, separators=(",", ":"))
                    for part in parts
                )
                yield f"IAM5[Resource::{text}]"


def _takers(site: Site) -> Iterator[Taker]:
    """Yield the processes that run in the cluster, KEDA and SageMaker."""
    for name, process in PROCESSES.items():
        # fs_writer has the rights of both its steps, which run as one here.
        if process.account and not name.startswith("fs_writer-"):
            yield Taker(name=name, process=process, site=site)
    operator = replace(PROCESSES["keda"], account="operator")
    yield Taker(name="keda", process=operator, site=replace(site, namespace=KEDA, release=KEDA))
    yield Taker(name=STORE_ROLE, process=PROCESSES[STORE_ROLE], site=site)
