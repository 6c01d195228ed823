"""Files generated from the code: one command that writes them, or checks that none is stale."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The files that one command generates.

    Attributes:
        command: The command line.
        directory: The directory of the files.
        files: Returns name in the directory -> text.
        owned: Pattern of names in the directory; a file that matches and isn't generated is stale.
    """

    command: str
    directory: Path
    files: Callable[[], Mapping[str, str]]
    owned: str | None = None

    def stale(self, directory: Path | None = None) -> list[str]:
        """Return the names of the files that are missing, differ, or should not exist."""
        directory = directory or self.directory
        wanted = self.files()
        lagging = {name for name, text in wanted.items() if _text(directory / name) != text}
        there = directory.glob(self.owned) if self.owned else ()
        return sorted(lagging | ({str(p.relative_to(directory)) for p in there} - wanted.keys()))

    def main(
        self,
        *,
        check: Annotated[
            bool, typer.Option(help="Change nothing; fail if a file is stale.")
        ] = False,
        directory: Annotated[
            Path | None, typer.Option(help="Directory of the files, instead of the default.")
        ] = None,
    ) -> None:
        """Write the files generated from the code, or check that none is stale."""
        directory = directory or self.directory
        stale = self.stale(directory)
        if check and stale:
            typer.echo(f"{', '.join(stale)} lag behind the code; run `{self.command}`", err=True)
            raise typer.Exit(1)
        wanted = self.files()
        for name in stale:
            path = directory / name
            if name in wanted:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(wanted[name], encoding="utf-8")
                typer.echo(f"written: {name}")
            else:
                path.unlink()
                typer.echo(f"removed: {name}")


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
