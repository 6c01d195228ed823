"""The snapshots: ``python -m tests.cdk`` writes them; read what changes before you commit."""

import tempfile
from pathlib import Path

import typer

from tests.cdk.assembly import missing, normalised, synthesise

SNAPSHOTS = Path(__file__).parent / "snapshots"
COMMAND = "python -m tests.cdk"
STAGE = "production"


def main() -> None:
    """Write the snapshots of the templates of production."""
    if reason := missing():
        typer.echo(reason, err=True)
        raise typer.Exit(1)
    with tempfile.TemporaryDirectory() as directory:
        templates = synthesise(Path(directory))[STAGE].templates()
        wanted = {f"{path.name.split('.')[0]}.json": normalised(path) for path in templates}
    for path in SNAPSHOTS.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (SNAPSHOTS / name).write_text(text)


if __name__ == "__main__":
    typer.run(main)
