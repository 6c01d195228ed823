"""Files that repeat the code: one command that writes them, or tells which lag behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What one command writes.

    Attributes:
        command: How people run it.
        directory: Where the files lie.
        files: Makes them anew: name in the directory -> text.
        owned: What else in the directory should not be there: a pattern of names.
    """

    command: str
    directory: Path
    files: Callable[[], Mapping[str, str]]
    owned: str | None = None

    def stale(self, directory: Path | None = None) -> list[str]:
        """Return the names of what is missing, differs, or should not be there."""
        directory = directory or self.directory
        wanted = self.files()
        lagging = {name for name, text in wanted.items() if _text(directory / name) != text}
        there = directory.glob(self.owned) if self.owned else ()
        return sorted(lagging | ({str(p.relative_to(directory)) for p in there} - wanted.keys()))

    def main(
        self,
        *,
        check: Annotated[bool, typer.Option(help="Change nothing; fail if a file lags.")] = False,
        directory: Annotated[
            Path | None, typer.Option(help="Where the files lie, if elsewhere.")
        ] = None,
    ) -> None:
        """Write the files that repeat the code, or tell whether they lag behind it."""
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
