"""Transactions for tests: the repository's own recording, and real ones that lie beside it."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("SHARED_DATA", REPOSITORY.parent / "shared" / "data"))

RECORDING = REPOSITORY / "examples" / "recording.ndjson.gz"
"""Fifteen minutes of simulated transactions, across the turn of an hour."""
RECORDED = 430
"""Number of transactions in `RECORDING`."""
ERROR_BODIES = REPOSITORY / "tests" / "data" / "error_bodies.ndjson"
"""Error answers of the kinds that the endpoint has sent."""

BLOCK = "replay/block866342.ndjson.gz"
HUGE = "replay/block367891_huge_tx.ndjson.gz"
ANSWER = "recorded/unconfirmed_2024-10-16_100tx.json"


def shared_data(name: str) -> Path:
    """Return the path of a real recording; skip the test where it is absent."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"needs the real recording {path}; set SHARED_DATA to the folder that has it")
    return path
