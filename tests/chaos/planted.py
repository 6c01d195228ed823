"""A bug of the mutants' catalogue, planted in the services of a chaos run.

A checker that finds nothing in such a run would find nothing in any other.
"""

import shutil
from pathlib import Path

from tests.mutants.mutant import catalogue

ROOT = Path(__file__).parents[2]


def plant(name: str, directory: Path) -> Path:
    """Return a directory for PYTHONPATH: a copy of the package that the mutant changes, with it."""
    known = {mutant.name: mutant for mutant in catalogue()}
    if name not in known:
        raise LookupError(f"no such mutant: {name}; they are in tests/mutants/catalogue")
    source = ROOT / known[name].file
    package = source.parent
    while (package.parent / "__init__.py").exists():
        package = package.parent
    copy = Path(shutil.copytree(package, directory / package.name))
    target = copy / source.relative_to(package)
    target.write_text(known[name].planted(source.read_text()))
    return directory
