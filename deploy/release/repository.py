"""The state of the repository that a release is made of."""

import re
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from deploy.release.errors import ReleaseError


def check_clean(tree: Path) -> None:
    """Compare the working tree with its last commit.

    Raises:
        ReleaseError: They differ, so that the release would hold something else than is tested.
    """
    if changed := _git(tree, "status", "--porcelain").decode().splitlines():
        raise ReleaseError(f"{len(changed)} files are not committed, first {changed[0][3:]}")


def check_tag(tree: Path, tag: str) -> None:
    """Look for a tag of this name, which the last commit alone may have.

    Raises:
        ReleaseError: Another commit has it.
    """
    if _git(tree, "tag", "--list", tag) and tag not in _tags_of_head(tree):
        raise ReleaseError(f"{tag} is the tag of another commit; choose a new version")


def check_changelog(tree: Path, version: str) -> None:
    """Look for the section of a version in the changelog.

    Raises:
        ReleaseError: There is none, or it is empty.
    """
    text = (tree / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d{{2}}-\d{{2}}$"
    section = re.search(rf"{heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None:
        raise ReleaseError(f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD`")
    if not section[1].strip():
        raise ReleaseError(f"the section {version} of CHANGELOG.md is empty")


def export(tree: Path, target: Path) -> None:
    """Copy the files of the last commit to ``target``."""
    with tarfile.open(fileobj=BytesIO(_git(tree, "archive", "HEAD"))) as files:
        files.extractall(target, filter="data")


def _tags_of_head(tree: Path) -> list[str]:
    return _git(tree, "tag", "--points-at", "HEAD").decode().split()


def _git(tree: Path, *arguments: str) -> bytes:
    result = subprocess.run(  # noqa: S603
        ["git", *arguments],  # noqa: S607
        cwd=tree,
        capture_output=True,
        check=False,
    )
    if result.returncode != 0:
        raise ReleaseError(f"git {arguments[0]} fails: {result.stderr.decode().strip()}")
    return result.stdout
