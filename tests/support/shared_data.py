"""Real transactions and recorded answers, which lie beside the repository, never in it."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("SHARED_DATA", REPOSITORY.parent / "shared" / "data"))


def shared_data(name: str) -> Path:
    """Return the path of a recorded file; skip the test, saying why, where it is absent."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no real data at {path}; set SHARED_DATA to the folder that has it")
    return path


BLOCK = "replay/block866342.ndjson.gz"
HUGE = "replay/block367891_huge_tx.ndjson.gz"
ERROR_BODIES = "recorded/error_bodies.ndjson"
