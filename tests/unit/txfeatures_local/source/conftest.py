import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from txfeatures.recording import Arrival

_REPOSITORY = Path(__file__).parents[4]


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    folder = Path(os.environ.get("TXF_SHARED_DATA", _REPOSITORY.parent / "shared" / "data"))

    def find(name: str) -> Path:
        if not (folder / name).is_file():
            pytest.skip(f"no {name} in {folder}: set TXF_SHARED_DATA to the folder of real data")
        return folder / name

    return find


@pytest.fixture
def arrival() -> Callable[..., Arrival]:
    def make(arrived_at: float, **tx: object) -> Arrival:
        fields = {"time": int(arrived_at), "tx_index": 1, "hash": "00"} | tx
        return Arrival.of(arrived_at=arrived_at, tx=msgspec.Raw(json.dumps(fields).encode()))

    return make
