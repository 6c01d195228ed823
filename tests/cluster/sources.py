"""Digests of the installed code: ``python -`` prints one for each package of ours."""

import hashlib
import json
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("services", "txfeatures", "txfeatures_local")


def digests() -> dict[str, str]:
    """Return package -> digest of its sources, for the packages that can be imported."""
    specs = {name: find_spec(name) for name in PACKAGES}
    return {
        name: digest(Path(folder))
        for name, spec in specs.items()
        if spec
        for folder in spec.submodule_search_locations or ()
    }


def digest(folder: Path) -> str:
    """Return a digest of the names and contents of all source files in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(digests()) + "\n")
