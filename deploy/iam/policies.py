"""The policies, trust policies and ACLs of a site."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from deploy.iam.declared import PROCESSES
from deploy.iam.grants import Grant, Process
from deploy.iam.kafka import KafkaRights
from deploy.iam.site import Site

Json = dict[str, Any]

VERSION = "2012-10-17"
POD_IDENTITY = "pods.eks.amazonaws.com"
AUDIENCE = "sts.amazonaws.com"
"""The audience of tokens that EKS mounts for IRSA."""


def policy(process: Process, site: Site) -> Json:
    """Return the permissions policy of a process."""
    names = site.names()
    statements = [_statement(grant, names) for grant in process.aws if _applies(grant, site)]
    if process.kafka:
        statements += _kafka_statements(process.kafka, names)
    return {"Version": VERSION, "Statement": statements}


def trust(process: Process, site: Site) -> Json | None:
    """Return who may take the role of a process; None if the site decides that."""
    if process.principal:
        principal: Json = {"Principal": {"Service": process.principal}, "Action": "sts:AssumeRole"}
    elif process.account is None:
        return None
    elif site.oidc_provider is None:
        principal = {
            "Principal": {"Service": POD_IDENTITY},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {
                "StringEquals": {
                    "aws:RequestTag/kubernetes-namespace": site.namespace,
                    "aws:RequestTag/kubernetes-service-account": _account(process, site),
                }
            },
        }
    else:
        names = site.names()
        subject = f"system:serviceaccount:{site.namespace}:{_account(process, site)}"
        provider = "arn:{partition}:iam::{account}:oidc-provider/".format(**names)
        principal = {
            "Principal": {"Federated": f"{provider}{site.oidc_provider}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{site.oidc_provider}:aud": AUDIENCE,
                    f"{site.oidc_provider}:sub": subject,
                }
            },
        }
    return {"Version": VERSION, "Statement": [{"Effect": "Allow", **principal}]}


def acl_commands(name: str, rights: KafkaRights) -> Iterator[str]:
    """Yield the ``kafka-acls`` commands that give a user of that name the rights of a process."""
    for acl in rights.acls():
        yield f"kafka-acls $CONNECTION --add --allow-principal User:{name} {acl.arguments()}"


def files(site: Site) -> dict[str, str]:
    """Return file name -> text of all documents of a site."""
    found: dict[str, str] = {}
    for name, process in PROCESSES.items():
        found[f"{name}.policy.json"] = _text(policy(process, site))
        if (trusted := trust(process, site)) is not None:
            found[f"{name}.trust.json"] = _text(trusted)
        if process.kafka:
            found[f"{name}.acls.txt"] = "\n".join(acl_commands(name, process.kafka)) + "\n"
    return found


def _applies(grant: Grant, site: Site) -> bool:
    if grant.only == "key":
        return site.kms_key is not None
    return grant.only is None or site.table_format == grant.only


def _statement(grant: Grant, names: Mapping[str, str]) -> Json:
    found: Json = {
        "Effect": "Allow",
        "Action": list(grant.actions),
        "Resource": [template.format(**names) for template in grant.resources],
    }
    if grant.when:
        found["Condition"] = {
            operator: {key: value.format(**names) for key, value in values.items()}
            for operator, values in grant.when.items()
        }
    return found


def _kafka_statements(rights: KafkaRights, names: Mapping[str, str]) -> Iterator[Json]:
    arn = "arn:{partition}:kafka:{region}:{account}".format(**names)
    cluster = "{name}/{uuid}".format(**names)
    for actions, kind, resources in rights.statements():
        yield {
            "Effect": "Allow",
            "Action": [f"kafka-cluster:{action}" for action in actions],
            "Resource": [f"{arn}:{kind}/{cluster}{name and f'/{name}'}" for name in resources],
        }


def _account(process: Process, site: Site) -> str:
    return f"{site.release}-{process.account}"


def _text(document: Json) -> str:
    return json.dumps(document, indent=2) + "\n"
