"""Maps of the tree, in Markdown, name every module and folder that exists, and no other."""

import re
from pathlib import Path

import pytest

from tests.support.shared_data import REPOSITORY
from txfeatures.process.settings import SERVICES

MADE_HERE = {"build", "dist"}


def rows(text: str, head: str) -> list[str]:
    """Return the cells below ``head`` in the first table that has such a column."""
    lines = iter(text.splitlines())
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")]
        if head in cells:
            table = [next(lines)]
            while (row := next(lines, "")).startswith("|"):
                table.append(row.split("|")[cells.index(head)])
            return table[1:]
    return []


def named(cells: list[str]) -> list[str]:
    """Return the names written as code; one without a folder has that of the name before it."""
    found = []
    for cell in cells:
        folder = ""
        for name in re.findall(r"`([\w./]+)`", cell):
            folder = name.rpartition("/")[0] or folder
            found.append(name if "/" in name or not folder else f"{folder}/{name}")
    return sorted(found)


def modules(package: Path, *, whole: set[str]) -> list[str]:
    """Return the modules of ``package``, without ending; of folders in ``whole``, the folder."""
    found = set()
    for path in package.rglob("*.py"):
        name = path.relative_to(package).with_suffix("").as_posix()
        if not name.endswith(("__init__", "__main__")):
            folder = f"{name.partition('/')[0]}/"
            found.add(folder if folder in whole else name)
    return sorted(found)


def packages(folder: str) -> set[str]:
    return {path.parent.name for path in REPOSITORY.glob(f"{folder}/*/__init__.py")}


@pytest.mark.parametrize(
    ("table", "names"),
    [
        (
            "| module | x |\n|---|---|\n| `a` | `b` |\n| `c/d`, `e`, `f/` | |\n\n| `g` |",
            "a c/d c/e f/",
        ),
        ("| x | module |\n|---|---|\n| `a` | `b` |\n", "b"),
        ("| other |\n|---|\n| `a` |\n", ""),
    ],
)
def test_the_names_of_a_map_are_found(table: str, names: str) -> None:
    assert named(rows(table, "module")) == names.split()


@pytest.mark.parametrize(
    "wrong", ["| `a` | |\n", "| `a`, `b/`, `gone` | |\n", "| `a`, `b/c` | |\n"]
)
def test_a_wrong_line_is_found(tmp_path: Path, wrong: str) -> None:
    for name in ("__init__.py", "a.py", "b/__init__.py", "b/c.py", "b/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    head = "| module | x |\n|---|---|\n"
    assert named(rows(f"{head}| `a` | |\n| `b/` | |\n", "module")) == modules(
        tmp_path, whole={"b/"}
    )
    names = named(rows(head + wrong, "module"))
    assert names != modules(tmp_path, whole={n for n in names if n.endswith("/")})


def test_the_architecture_names_every_package_and_no_other() -> None:
    page = REPOSITORY / "docs" / "explanation" / "architecture.md"
    rooms = {f"txfeatures.{name}" for name in packages("src/txfeatures")}
    others = packages("src") | packages("services/*") | packages("packages/*/src")
    found = named(rows(page.read_text(encoding="utf-8"), "package"))
    assert found == sorted(rooms | others - {"txfeatures"})


def test_the_layout_names_every_folder_and_no_other() -> None:
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    top = {path.name for path in REPOSITORY.iterdir() if path.is_dir()} - MADE_HERE
    folders = {f"{name}/" for name in top if not name.startswith(".")} - {"src/"}
    sources = {f"src/{name}/" for name in packages("src")}
    assert set(named(rows(text, "folder"))) == folders | sources


READMES = sorted(
    readme
    for pattern in ("packages/*/README.md", "services/*/README.md")
    for readme in REPOSITORY.glob(pattern)
    if rows(readme.read_text(encoding="utf-8"), "module")
)


def test_every_service_has_a_map() -> None:
    assert {path.parent.name for path in READMES} >= set(SERVICES)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_a_readme_names_every_module_and_no_other(readme: Path) -> None:
    names = named(rows(readme.read_text(encoding="utf-8"), "module"))
    (package,) = [*readme.parent.glob("src/*/__init__.py"), *readme.parent.glob("txf*/__init__.py")]
    assert names == modules(package.parent, whole={name for name in names if name.endswith("/")})
