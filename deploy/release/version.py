"""The version of a release: written once in the code, repeated where a file can't import it.

    python -m deploy.release.version 1.2.3

writes it to every place. The libraries under packages/ have versions of their own.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.release.errors import ReleaseError

SOURCE = "src/txfeatures/__init__.py"
_VERSION = r"(\d+\.\d+\.\d+)"
PLACES: Mapping[str, tuple[str, ...]] = {
    SOURCE: (rf'^__version__ = "{_VERSION}"$',),
    "src/txfeatures_local/pyproject.toml": (
        rf'^version = "{_VERSION}"$',
        rf'"txfeatures\[local\]=={_VERSION}"',
    ),
    "deploy/helm/txfeatures/Chart.yaml": (
        rf"^version: {_VERSION}$",
        rf'^appVersion: "{_VERSION}"$',
    ),
    "docker-compose.yml": (
        rf"^  VERSION: {_VERSION}$",
        rf"^ +image: txfeatures-[a-z-]+:{_VERSION}$",
    ),
}
"""File -> patterns, each of which occurs in it, with the version as its group."""


def versions(tree: Path) -> Iterator[tuple[str, str]]:
    """Yield each place of a tree that has the version, as ``file:line``, and what it has."""
    for name, patterns in PLACES.items():
        text = (tree / name).read_text(encoding="utf-8")
        for pattern in patterns:
            matches = list(re.finditer(pattern, text, re.MULTILINE))
            if not matches:
                raise ReleaseError(f"{name} has no version: nothing in it matches {pattern}")
            for match in matches:
                line = text[: match.start(1)].count("\n") + 1
                yield f"{name}:{line}", match[1]


def current(tree: Path) -> str:
    """Return the version of a tree.

    Raises:
        ReleaseError: Its places differ.
    """
    found = dict(versions(tree))
    if len(set(found.values())) > 1:
        places = ", ".join(f"{place} has {version}" for place, version in found.items())
        raise ReleaseError(f"the version differs: {places}")
    return next(iter(found.values()))


def write(tree: Path, version: str) -> None:
    """Write ``version`` to every place of a tree."""
    for name, patterns in PLACES.items():
        path = tree / name
        text = path.read_text(encoding="utf-8")
        for pattern in patterns:
            text = re.sub(pattern, lambda found: _with(found, version), text, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")


def checked(version: str) -> str:
    """Return ``version`` if it is three numbers.

    Raises:
        ReleaseError: It is not.
    """
    if not re.fullmatch(_VERSION, version):
        raise ReleaseError(f"{version!r} is no version; give three numbers: VERSION=1.2.3")
    return version


def _with(found: re.Match[str], version: str) -> str:
    start, end = (place - found.start() for place in found.span(1))
    return found[0][:start] + version + found[0][end:]


if __name__ == "__main__":
    write(Path(), checked(sys.argv[1]))
