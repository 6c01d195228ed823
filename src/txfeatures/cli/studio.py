"""``txfeatures studio``: a data scientist's SageMaker Studio, from creation to deletion."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from txfeatures.cli.options import AsJson
from txfeatures.cli.packages import needs
from txfeatures.domain.errors import SettingsError
from txfeatures.process.clock import SystemClock
from txfeatures.process.logs import configure_logging
from txfeatures.process.metrics import Metrics
from txfeatures.process.runtime import Runtime, stop_on_signals
from txfeatures.process.settings import AwsSettings, Group, LogSettings, load

if TYPE_CHECKING:
    from txfeatures.studio.work import Work

needs("boto3")

Name = Annotated[
    str,
    typer.Option(
        help="Name of the domain; its role, user and space are named after it.",
    ),
]
DomainId = Annotated[
    str | None,
    typer.Option(
        "--domain-id",
        help="A domain by its id, d-..., also one that was not created by this command.",
    ),
]

studio = typer.Typer(no_args_is_help=True)


class StudioSettings(Group):
    """Settings of the command; the rest are its options."""

    model_config = SettingsConfigDict(env_prefix="TXF_STUDIO_")

    aws: AwsSettings = Field(default_factory=AwsSettings, description="See TXF_AWS_*.")
    log: LogSettings = Field(default_factory=LogSettings, description="See TXF_LOG_*.")


@studio.callback()
def group() -> None:
    """Create, list and delete a SageMaker Studio domain with all of its parts."""


@studio.command()
def create(
    vpc: Annotated[str, typer.Option(help="VPC of the domain, vpc-...")],
    subnet: Annotated[list[str], typer.Option(help="Subnet in it, subnet-...; repeatable.")],
    policy: Annotated[Path, typer.Option(help="File with the role's rights, IAM JSON.")],
    *,
    name: Name = "txfeatures",
    user: Annotated[str, typer.Option(help="Name of the user profile.")] = "data-scientist",
    notebooks: Annotated[
        str | None, typer.Option(help="Git repository that the space clones.")
    ] = None,
    instance: Annotated[str, typer.Option(help="Machine of the notebooks.")] = "ml.t3.medium",
) -> None:
    """Create a domain without a home file system, a role, a user profile and a space.

    Safe to interrupt and to run again: it goes on with what is missing.
    """
    from txfeatures.studio.account import role_name
    from txfeatures.studio.creation import Studio

    work = _work(name)
    work.create(
        Studio(
            name=name,
            role=role_name(name),
            vpc=vpc,
            subnets=tuple(subnet),
            policy=_policy(policy),
            user=user,
            notebooks=notebooks,
            instance=instance,
        )
    )
    domain = work.inspect().domain
    typer.echo(f"{name} is in service: {domain.url if domain else ''}")


@studio.command()
def status(
    *,
    name: Name = "txfeatures",
    domain_id: DomainId = None,
    as_json: AsJson = False,
) -> None:
    """List the parts of a Studio that the account holds, also those a deleted domain has left."""
    parts = list(_work(name, domain_id).inspect().listed())
    if as_json:
        for kind, part, state in parts:
            typer.echo(json.dumps({"kind": kind, "name": part, "status": state}))
        return
    for kind, part, state in parts:
        typer.echo(f"{kind:<16}{state:<12}{part}")
    if not parts:
        typer.echo(f"Nothing of {domain_id or name} is in this account.")


@studio.command()
def delete(
    *,
    name: Name = "txfeatures",
    domain_id: DomainId = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the parts without deleting any.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking first.")] = False,
) -> None:
    """Delete every part: apps, spaces, profiles, domain, file system, security groups, role.

    It has no time limit. Safe to interrupt and to run again: it goes on with what is left.
    """
    work, studio_name = _work(name, domain_id), domain_id or name
    parts = list(work.inspect().listed())
    for kind, part, state in parts:
        typer.echo(
            f"would delete {kind} {part} ({state})" if dry_run else f"{kind} {part} ({state})"
        )
    if dry_run:
        return
    if parts and not yes:
        typer.confirm(f"Delete {studio_name} with all of this?", abort=True)
    work.delete()
    typer.echo(f"Nothing of {studio_name} is left in this account.")


def _work(name: str, domain_id: str | None = None) -> "Work":
    from txfeatures.feature_store.retries import Retries
    from txfeatures.process import aws
    from txfeatures.studio.account import connect
    from txfeatures.studio.work import Work

    settings = load(StudioSettings)
    aws.require_credentials(settings.aws)
    configure_logging(settings.log, service="studio")
    runtime = Runtime(metrics=Metrics("studio"), clock=SystemClock())
    stop_on_signals(runtime.stop)
    return Work(
        account=connect(settings.aws, Retries(clock=runtime.clock, stop=runtime.stop)),
        name=name,
        domain_id=domain_id,
        runtime=runtime,
        report=typer.echo,
    )


def _policy(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
        json.loads(text)
    except OSError as error:
        raise SettingsError(
            f"{file} can't be read ({error.strerror}); `python -m deploy.iam` writes such policies"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{file} is no JSON ({error}); give a policy document") from error
    return text
