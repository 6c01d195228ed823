"""A release, checked and built; nothing is published, and no file that git knows is changed.

    make release VERSION=1.2.3

Everything is built from a copy of the last commit, with the version written into it. The command
ends with the lines that make the release real; the tag starts the workflow that publishes.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from deploy.release import chart, distributions, repository, version
from deploy.release.errors import ReleaseError

TREE = Path(__file__).parents[2]
BUILT = TREE / "build/release"


def build(tree: Path, new: str, helm: Path, target: Path) -> list[str]:
    """Check ``tree`` and build release ``new`` into ``target``; return the commands left to run.

    Raises:
        ReleaseError: The tree can't be released.
    """
    version.checked(new)
    repository.check_clean(tree)
    repository.check_tag(tree, f"v{new}")
    repository.check_changelog(tree, new)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with TemporaryDirectory() as scratch:
        copy = Path(scratch)
        repository.export(tree, copy)
        bump = version.current(copy) != new
        version.write(copy, new)
        for folder in distributions.CONTENTS:
            distributions.build(copy, folder, target)
        chart.package(helm, copy, new, target)
    commands = [
        f"python -m deploy.release.version {new}",
        f'git commit --all --message "chore: release {new}"',
    ]
    return [*(commands if bump else []), f"git tag v{new}", f"git push origin HEAD v{new}"]


def main(
    new: Annotated[str, typer.Argument(metavar="VERSION", help="Three numbers, as 1.2.3.")],
    *,
    helm: Annotated[Path, typer.Option(help="The program.")] = Path(".tools/helm"),
) -> None:
    """Check and build a release without publishing anything."""
    try:
        commands = build(TREE, new, helm, BUILT)
    except ReleaseError as error:
        typer.echo(f"release: {error}", err=True)
        sys.exit(1)
    for path in sorted(BUILT.iterdir()):
        typer.echo(f"built {path.relative_to(TREE)}")
    typer.echo("\nNothing is published. To release:\n")
    for command in commands:
        typer.echo(f"    {command}")


if __name__ == "__main__":
    typer.run(main)
