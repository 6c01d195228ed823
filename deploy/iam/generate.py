"""Generator of the example documents: ``python -m deploy.iam.generate [--check]``.

The example is the widest site: an offline store in Iceberg format, and a key of its own.
"""

from pathlib import Path

import typer

from deploy.generated import Generated
from deploy.iam.policies import files
from deploy.iam.site import Site

EXAMPLE = Site(
    cluster="arn:aws:kafka:eu-west-1:111122223333:cluster/CLUSTER/00000000-1111-2222-3333-444444444444-5",
    bucket="BUCKET",
    table_format="iceberg",
    kms_key="arn:aws:kms:eu-west-1:111122223333:key/55555555-6666-7777-8888-999999999999",
)

GENERATED = Generated(
    command="python -m deploy.iam.generate",
    directory=Path(__file__).parent / "example",
    files=lambda: files(EXAMPLE),
    owned="*.*",
)

if __name__ == "__main__":
    typer.run(GENERATED.main)
