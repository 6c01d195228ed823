"""Handlers of an asynchronous CloudFormation resource that owns a Studio.

CDK's provider framework calls `on_event` once and `is_complete` until it reports completion,
each in a new invocation; the account is the only state between them. A deletion that outlasts
CloudFormation's limit of an hour fails there, and goes on when the stack is deleted again.
"""

from collections.abc import Mapping
from typing import Any

from txfeatures.feature_store.retries import Retries
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures.studio.account import Account, connect, role_name
from txfeatures.studio.creation import Studio
from txfeatures.studio.work import Work

Event = Mapping[str, Any]


def on_event(event: Event, _context: object) -> dict[str, str]:
    """Return the physical id, which is the Studio's name: another name is another Studio."""
    if event["RequestType"] == "Delete":
        return {"PhysicalResourceId": event["PhysicalResourceId"]}
    return {"PhysicalResourceId": event["ResourceProperties"]["Name"]}


def is_complete(
    event: Event, _context: object, *, account: Account | None = None
) -> dict[str, Any]:
    """Make the calls that are due for the event; return whether it is complete.

    Raises:
        FatalError: AWS could not make a part, or refused a call.
    """
    name, properties = event["PhysicalResourceId"], event["ResourceProperties"]
    work = Work(
        account=account or connect(AwsSettings(), Retries()),
        name=name,
        runtime=Runtime(metrics=Metrics("studio")),
        report=print,
    )
    if event["RequestType"] == "Delete":
        return {"IsComplete": not work.advance_deletion()}
    studio = Studio(
        name=name,
        role=role_name(name),
        vpc=properties["Vpc"],
        subnets=tuple(properties["Subnets"]),
        policy=properties["Policy"],
        user=properties["User"],
        notebooks=properties.get("Notebooks"),
        instance=properties["Instance"],
    )
    return {"IsComplete": not work.advance_creation(studio)}
