"""Docstrings and comments name their subject; none begins with a clause of what, where or who."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
FOLDERS = ("src", "services", "packages", "clients", "deploy", "docs", "bench")
CLAUSE = re.compile(
    r"""^\s*(?:r?\"{3}|\#:?\ )(?:What|Where|Who|Whoever|Whether|How\ far|As\ far)\ """,
    re.MULTILINE | re.VERBOSE,
)


def clauses(text: str) -> list[int]:
    """Return the lines that begin with such a clause."""
    return [text.count("\n", 0, found.end()) + 1 for found in CLAUSE.finditer(text)]


def sources() -> Iterator[Path]:
    """Yield every Python file that is no test."""
    for folder in FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if "tests" not in path.relative_to(REPOSITORY).parts:
                yield path


@pytest.mark.parametrize(
    "line",
    [
        '"""What dedup can be told."""',
        '    """Whether the store is there."""',
        "    # Who reads `deduped` committed sees each first sighting once.",
        "#: Where the files lie.",
        '    r"""How far a partition was read."""',
    ],
)
def test_a_clause_is_found(line: str) -> None:
    assert clauses(f"import os\n\n{line}\n") == [3]


@pytest.mark.parametrize(
    "line",
    [
        '"""Settings of dedup."""',
        '"""Return whether the store is there."""',
        "x = 1  # What follows is code.",
        "# Whatever fails here is retried.",
        "# Whose turn it is.",
    ],
)
def test_a_subject_is_no_clause(line: str) -> None:
    assert clauses(line) == []


def test_no_docstring_or_comment_begins_with_a_clause() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}"
        for path in sources()
        for line in clauses(path.read_text(encoding="utf-8"))
    ]
    assert found == [], f"{len(found)} begin with what, where, who or whether"
