"""The distributions of this repository: built from their sources, and held to their contents."""

import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from deploy.release.errors import ReleaseError

CONTENTS: Mapping[str, frozenset[str]] = {
    ".": frozenset(
        {
            "txfeatures",
            "txfeatures_aggregator",
            "txfeatures_api",
            "txfeatures_dedup",
            "txfeatures_fs_writer",
            "txfeatures_poller",
        }
    ),
    "src/txfeatures_local": frozenset({"txfeatures_local"}),
    "packages/faust-microbatch": frozenset({"faust_microbatch"}),
    "packages/featurestore-local": frozenset({"featurestore_local"}),
    "packages/kafka-local": frozenset({"kafka_local"}),
    "clients/python": frozenset({"txfeatures/client"}),
}
"""Folder of a distribution -> the packages that it installs, and nothing beside them."""


def build(tree: Path, folder: str, target: Path) -> Path:
    """Build the sdist of a distribution, and its wheel from that sdist; return the wheel.

    Raises:
        ReleaseError: It can't be built, or installs something else than it should.
    """
    with TemporaryDirectory() as scratch:
        sdist = _hatch(tree / folder, "sdist", target)
        with tarfile.open(sdist) as packed:
            packed.extractall(scratch, filter="data")
        [unpacked] = Path(scratch).iterdir()
        wheel = _hatch(unpacked, "wheel", target)
    check(wheel, CONTENTS[folder])
    return wheel


def check(wheel: Path, packages: frozenset[str]) -> None:
    """Compare the files of a wheel with the packages that it should install.

    Raises:
        ReleaseError: They differ.
    """
    with ZipFile(wheel) as files:
        names = {_package(name, packages) for name in files.namelist()}
    found = {name for name in names if not name.endswith(".dist-info")}
    if found != packages:
        installed, expected = (", ".join(sorted(names)) for names in (found, packages))
        raise ReleaseError(f"{wheel.name} installs {installed}, and should install {expected}")


def _package(name: str, packages: frozenset[str]) -> str:
    """Return the package that a file belongs to; a stray one belongs to its top level."""
    inside = (package for package in packages if name.startswith(f"{package}/"))
    return next(inside, name.partition("/")[0])


def _hatch(folder: Path, kind: str, target: Path) -> Path:
    before = set(target.glob("*"))
    command = [sys.executable, "-m", "hatchling", "build", "--target", kind]
    result = subprocess.run(  # noqa: S603
        [*command, "--directory", str(target)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise ReleaseError(f"{folder.name} can't be built: {result.stderr.strip()}")
    [made] = set(target.glob("*")) - before
    return made
