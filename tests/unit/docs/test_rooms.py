"""The map of rooms in the architecture names every package of the tree, and no other."""

import re

from tests.support.shared_data import REPOSITORY

PAGE = REPOSITORY / "docs" / "architecture.md"


def packages(folder: str) -> set[str]:
    return {path.parent.name for path in REPOSITORY.glob(f"{folder}/*/__init__.py")}


def test_the_map_names_every_room_and_no_other() -> None:
    rows = re.findall(r"^\| [0-9] \|([^|]+)\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([a-z_.]+)`", row)]
    rooms = {f"txfeatures.{name}" for name in packages("src/txfeatures")}
    others = packages("src") | packages("services/*") | packages("packages/*/src")
    assert sorted(named) == sorted(rooms | others - {"txfeatures"})
