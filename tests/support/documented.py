"""The commands that the documentation shows."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.shared_data import REPOSITORY

_FENCE = re.compile(r"^```(?:sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:\S*/)?(?:txfeatures|python -m (\S+))( .*)?")


@dataclass(frozen=True, slots=True)
class Shown:
    """A command in a block of a page.

    Attributes:
        page: The page, relative to the repository.
        program: ``txfeatures``, or the module that Python runs.
        arguments: What follows it.
    """

    page: str
    program: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{Path(self.page).stem}: {shlex.join([self.program, *self.arguments])}"


def shown() -> Iterator[Shown]:
    """Yield the project's own commands in the blocks of all pages, in order."""
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]:
        page = path.relative_to(REPOSITORY).as_posix()
        for block in _FENCE.findall(path.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", "").splitlines():
                if found := _COMMAND.fullmatch(line):
                    arguments = shlex.split(found[2] or "", comments=True)
                    yield Shown(page, found[1] or "txfeatures", tuple(arguments))
