"""A mutant: one bug as a replacement in one file, and the tests that must notice it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

CATALOGUE = Path(__file__).parent / "catalogue"


class StaleMutantError(Exception):
    """The code of a mutant has changed, so that it no longer applies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One planted bug.

    Attributes:
        name: Unique, kebab-case.
        bug: The fault it stands for, one sentence.
        file: The file it changes, relative to the root of the repository.
        before: Text that occurs exactly once in ``file``.
        after: The text it is replaced with.
        tests: Arguments for pytest: the quickest tests that should notice.
        survives: The reason why no test can notice it; None if one must.
    """

    name: str
    bug: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]
    survives: str | None = None

    def planted(self, source: str) -> str:
        """Return ``source`` with the bug.

        Raises:
            StaleMutantError: ``before`` does not occur exactly once, or the result is not Python.
        """
        found = source.count(self.before)
        if found != 1:
            raise StaleMutantError(
                f"{self.name}: its code occurs {found} times in {self.file}; mend the catalogue"
            )
        planted = source.replace(self.before, self.after)
        try:
            compile(planted, self.file, "exec")
        except SyntaxError as error:
            raise StaleMutantError(f"{self.name}: the result is not Python: {error}") from error
        return planted


def catalogue(folder: Path = CATALOGUE) -> list[Mutant]:
    """Return all mutants in the order of the catalogue's files."""
    return [mutant for path in sorted(folder.glob("*.toml")) for mutant in read(path)]


def read(path: Path) -> list[Mutant]:
    """Return the mutants of one file of the catalogue.

    Its keys ``tests`` and ``file`` outside of the mutants apply to those that have none.
    """
    parsed = tomllib.loads(path.read_text())
    defaults = {key: parsed[key] for key in ("file", "tests") if key in parsed}
    return [
        Mutant(**{**defaults, **entry, "tests": tuple(entry.get("tests", defaults.get("tests")))})
        for entry in parsed["mutant"]
    ]
