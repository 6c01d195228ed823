import subprocess
import sys
from pathlib import Path

import pytest

from deploy.release.__main__ import build
from deploy.release.errors import ReleaseError
from tests.chart.helm import binary
from tests.support.shared_data import REPOSITORY
from tests.unit.deploy.test_release_repository import git

pytestmark = pytest.mark.integration

DISTRIBUTIONS = {"txfeatures", "txfeatures_local"}
LIBRARIES = {"faust_microbatch", "featurestore_local", "kafka_local", "txfeatures_client"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of this repository whose changelog has the version 7.8.9."""
    git(tmp_path, "clone", "--quiet", str(REPOSITORY), "clone")
    folder = tmp_path / "clone"
    with (folder / "CHANGELOG.md").open("a") as changelog:
        changelog.write("\n## [7.8.9] - 2026-01-02\n\n- a change\n")
    git(folder, "commit", "--all", "-m", "docs: changes of 7.8.9")
    return folder


def test_a_release_builds_everything_and_changes_nothing(clone: Path) -> None:
    built = clone / "build/release"
    commands = build(clone, "7.8.9", Path(binary("helm")), built)
    names = {path.name for path in built.iterdir()}
    assert {f"{name}-7.8.9-py3-none-any.whl" for name in DISTRIBUTIONS} < names
    assert {f"{name}-7.8.9.tar.gz" for name in DISTRIBUTIONS} < names
    assert {name.partition("-")[0] for name in names} == DISTRIBUTIONS | LIBRARIES
    assert "txfeatures-7.8.9.tgz" in names
    assert len(names) == 2 * len(DISTRIBUTIONS | LIBRARIES) + 1
    assert [command.split()[0] for command in commands] == ["python", "git", "git", "git"]
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=clone, capture_output=True, check=True).stdout == b""


def test_the_printed_commands_bring_the_version_to_the_tag(clone: Path) -> None:
    helm = Path(binary("helm"))
    before, *_ = build(clone, "7.8.9", helm, clone / "build/release")
    module = before.removeprefix("python ").split()
    subprocess.run([sys.executable, *module], cwd=clone, check=True)
    git(clone, "commit", "--all", "-m", "chore: release 7.8.9")
    git(clone, "tag", "v7.8.9")
    after = build(clone, "7.8.9", helm, clone / "build/release")
    assert after == ["git tag v7.8.9", "git push origin HEAD v7.8.9"]


def test_a_version_without_a_section_in_the_changelog_builds_nothing(clone: Path) -> None:
    with pytest.raises(ReleaseError, match="no section"):
        build(clone, "9.9.9", Path("helm"), clone / "build/release")
    assert not (clone / "build").exists()
