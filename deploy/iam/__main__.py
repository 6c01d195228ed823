"""The documents of a site: ``python -m deploy.iam --cluster ARN --bucket NAME --out DIRECTORY``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from deploy.iam.policies import files
from deploy.iam.site import Site
from txfeatures.domain.errors import FatalError


def main(
    *,
    cluster: Annotated[str, typer.Option(help="ARN of the MSK cluster.")],
    bucket: Annotated[str, typer.Option(help="TXF_AWS_BUCKET.")],
    out: Annotated[Path, typer.Option(help="Directory of the files; made if missing.")],
    feature_group: Annotated[
        str, typer.Option(help="TXF_AWS_FEATURE_GROUP.")
    ] = "bitcoin-features-1min",
    store_role: Annotated[
        str, typer.Option(help="Name of the role in TXF_AWS_ROLE_ARN.")
    ] = "txfeatures-feature-store",
    workgroup: Annotated[str, typer.Option(help="Athena's workgroup.")] = "primary",
    table_format: Annotated[
        Literal["glue", "iceberg"], typer.Option(help="TXF_AWS_TABLE_FORMAT.")
    ] = "glue",
    kms_key: Annotated[
        str | None, typer.Option(help="ARN of the key of bucket, feature group and results.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of the release.")] = "features",
    release: Annotated[str, typer.Option(help="Name of the release.")] = "txfeatures",
    studio: Annotated[str, typer.Option(help="Name of the SageMaker Studio.")] = "txfeatures",
    oidc_provider: Annotated[
        str | None,
        typer.Option(help="For IRSA: issuer without https://. By default, Pod Identity."),
    ] = None,
) -> None:
    """Write the policy, the trust policy and the Kafka ACLs of each process."""
    site = Site(
        cluster=cluster,
        bucket=bucket,
        feature_group=feature_group,
        store_role=store_role,
        workgroup=workgroup,
        table_format=table_format,
        kms_key=kms_key,
        namespace=namespace,
        release=release,
        studio=studio,
        oidc_provider=oidc_provider,
    )
    try:
        found = files(site)
    except FatalError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    out.mkdir(parents=True, exist_ok=True)
    for name, text in found.items():
        (out / name).write_text(text, encoding="utf-8")
    typer.echo(f"{len(found)} files written to {out}")


if __name__ == "__main__":
    typer.run(main)
