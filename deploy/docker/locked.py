"""Install only the packages that a service needs, each file checked against requirements.lock.

    python locked.py /opt/venv/bin/python '.[dedup,tracing]'
    python locked.py /usr/local/bin/python hatchling

The lock lists for each package the packages that require it. Read backwards, it leads from an
extra of pyproject.toml, or from a package, to all that it needs, markers included. pip installs
that part of the lock with `--require-hashes`, and refuses it if a package is missing.
"""

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==.*\n(?:[ \t]+.*\n?)*", re.MULTILINE)
_ASKER = re.compile(r"^ +# (?:via|  )(?: +|)([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z0-9._-]+")
FROM_CHECKOUT = {"faust-microbatch", "featurestore-local", "kafka-local", "txfeatures-client"}
"""Packages of this repository: the lock has their dependencies, but not themselves."""

BUILT = {"faust-streaming"}
"""Packages without a wheel for Linux on arm64. There pip builds them from the locked sdist, which
needs no compiler: without one, Faust's setup leaves its C extensions out."""

_EXTRAS = re.compile(r"\[(.*)\]")


def part(lock: str, names: Iterable[str]) -> str:
    """Return the entries of the named packages and of all their dependencies.

    Raises:
        LookupError: A package is not in the lock.
    """
    entries: dict[str, str] = defaultdict(str)
    needs: dict[str, set[str]] = defaultdict(set)
    for match in _ENTRY.finditer(lock):
        name = normalised(match[1])
        entries[name] += match[0]  # one package may have an entry per marker
        for asker in _ASKER.findall(match[0]):
            needs[normalised(asker)].add(name)
    wanted: set[str] = set()
    left = {normalised(name) for name in names}
    while left:
        wanted |= left
        left = {needed for name in left for needed in needs[name]} - wanted
    if missing := wanted - entries.keys() - FROM_CHECKOUT:
        raise LookupError(f"not in the lock: {', '.join(sorted(missing))}; run `make lock`")
    return "".join(text for name, text in entries.items() if name in wanted)


def direct(project: Mapping[str, Any], extras: Iterable[str]) -> Iterator[str]:
    """Yield the direct dependencies of the project with these extras."""
    requirements = [*project["dependencies"]]
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    for requirement in requirements:
        name = _first(_NAME, requirement)
        if name == project["name"]:
            yield from direct(project, _first(_EXTRAS, requirement).split(","))
        else:
            yield name


def normalised(name: str) -> str:
    """Return the name of a package normalised by PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def install(folder: Path, python: str, wanted: str) -> None:
    """Install ``wanted``, a package or ``.[extras]``, into the environment of ``python``."""
    lock = (folder / "requirements.lock").read_text()
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = _EXTRAS.search(wanted)
    names = direct(project, extras[1].split(",")) if extras else [wanted]
    with TemporaryDirectory() as scratch:
        file = Path(scratch, "requirements.txt")
        needed = part(lock, names)
        file.write_text(needed)
        wheels = {normalised(match[1]) for match in _ENTRY.finditer(needed)} - BUILT
        command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
        command += ["--only-binary", ",".join(sorted(wheels)), "--require-hashes", "-r", str(file)]
        subprocess.run(command, check=True)  # noqa: S603


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise LookupError(f"{text!r} is no requirement")
    return found[1] if found.groups() else found[0]


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        install(Path(), sys.argv[1], argument)
