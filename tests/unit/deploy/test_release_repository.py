import subprocess
from pathlib import Path

import pytest

from deploy.release import repository
from deploy.release.errors import ReleaseError


def git(tree: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=tree, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a repository of one commit."""
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n- a\n")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    return folder


def test_a_file_that_is_not_committed_is_named(tree: Path) -> None:
    repository.check_clean(tree)
    (tree / "new.py").touch()
    with pytest.raises(ReleaseError, match=r"1 files are not committed, first new\.py"):
        repository.check_clean(tree)


def test_a_tag_may_be_new_or_on_the_last_commit_and_on_no_other(tree: Path) -> None:
    repository.check_tag(tree, "v1.2.3")
    git(tree, "tag", "v1.2.3")
    repository.check_tag(tree, "v1.2.3")
    git(tree, "commit", "--allow-empty", "-m", "second")
    with pytest.raises(ReleaseError, match=r"v1\.2\.3 is the tag of another commit"):
        repository.check_tag(tree, "v1.2.3")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("## [Unreleased]\n\n- a\n", "has no section"),
        ("## [1.2.3]\n\n- a\n", "has no section"),
        ("## [1x2.3] - 2026-01-02\n\n- a\n", "has no section"),
        ("## [1.2.3] - 2026-01-02\n\n## [1.2.2] - 2026-01-01\n\n- a\n", "is empty"),
    ],
)
def test_a_version_without_changes_is_refused(tree: Path, text: str, reason: str) -> None:
    repository.check_changelog(tree, "1.2.3")
    (tree / "CHANGELOG.md").write_text(text)
    with pytest.raises(ReleaseError, match=reason):
        repository.check_changelog(tree, "1.2.3")


def test_a_copy_holds_the_files_of_the_commit_alone(tree: Path, tmp_path: Path) -> None:
    (tree / "new.py").touch()
    copy = tmp_path / "copy"
    copy.mkdir()
    repository.export(tree, copy)
    assert [path.name for path in copy.iterdir()] == ["CHANGELOG.md"]


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"git status fails: .*not a git repository"):
        repository.check_clean(tmp_path)
