from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner, Result

from deploy.generated import Generated

TEXTS = {"page.md": "the page\n", "files/copy.yml": "the copy\n"}


@pytest.fixture
def generated(tmp_path: Path) -> Generated:
    return Generated(
        command="make pages", directory=tmp_path, files=lambda: TEXTS, owned="files/**/*.*"
    )


def run(generated: Generated, *arguments: str) -> Result:
    app = Typer()
    app.command()(generated.main)
    return CliRunner().invoke(app, list(arguments))


def found(directory: Path) -> dict[str, str]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_text() for path in files}


def test_what_is_missing_differs_or_should_not_be_there_is_stale(
    generated: Generated, tmp_path: Path
) -> None:
    (tmp_path / "page.md").write_text("old")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "gone.yml").write_text("what nobody makes any more")
    assert generated.stale() == ["files/copy.yml", "files/gone.yml", "page.md"]


def test_check_fails_names_the_stale_files_and_the_command_and_changes_nothing(
    generated: Generated, tmp_path: Path
) -> None:
    (tmp_path / "page.md").write_text("old")
    result = run(generated, "--check")
    assert result.exit_code == 1
    assert result.stderr == "files/copy.yml, page.md lag behind the code; run `make pages`\n"
    assert found(tmp_path) == {"page.md": "old"}


def test_writing_makes_the_check_pass(generated: Generated, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "gone.yml").write_text("what nobody makes any more")
    (tmp_path / "README.md").write_text("written by hand")
    result = run(generated)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "written: files/copy.yml",
        "removed: files/gone.yml",
        "written: page.md",
    ]
    assert found(tmp_path) == {**TEXTS, "README.md": "written by hand"}
    checked = run(generated, "--check")
    assert (checked.exit_code, checked.output) == (0, "")


def test_the_files_may_lie_elsewhere(generated: Generated, tmp_path: Path) -> None:
    assert run(generated, "--directory", str(tmp_path / "other")).exit_code == 0
    assert found(tmp_path / "other") == TEXTS
    assert not (tmp_path / "page.md").exists()


def test_where_nothing_is_owned_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("written by hand")
    generated = Generated(command="make pages", directory=tmp_path, files=dict)
    assert generated.stale() == []
