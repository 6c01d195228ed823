"""What is in the repository: notebooks without outputs, that say nothing of a machine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.running import FOLDER

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_the_readme_lists_every_notebook() -> None:
    listed = re.findall(r"\]\((\w+\.ipynb)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in NOTEBOOKS]


@notebooks
def test_outputs_are_stripped(path: Path) -> None:
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(cell["metadata"] == {} for cell in cells(path))


@notebooks
def test_it_runs_on_any_python_3_kernel(path: Path) -> None:
    whole = json.loads(path.read_text(encoding="utf-8"))
    assert whole["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }


@notebooks
def test_it_names_no_path_endpoint_or_credential_of_a_machine(path: Path) -> None:
    said = "".join("".join(cell["source"]) for cell in cells(path))
    assert (
        re.findall(r"(?<!\w)/(?:home|root|tmp|work|Users)/|https?://|endpoint_url|AKIA", said) == []
    )


@notebooks
def test_it_begins_with_one_title_and_every_cell_is_text_or_short(path: Path) -> None:
    text = ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown"]
    assert text[0].startswith("# ")
    assert not any(re.search(r"^# ", later, re.MULTILINE) for later in text[1:])
    assert max(len(cell["source"]) for cell in cells(path)) <= 40
