import json
from collections.abc import Callable

import msgspec
import pytest

from txfeatures.archive.recording import Arrival


@pytest.fixture
def arrival() -> Callable[..., Arrival]:
    def make(arrived_at: float, **tx: object) -> Arrival:
        fields = {"time": int(arrived_at), "tx_index": 1, "hash": "00"} | tx
        return Arrival.of(arrived_at=arrived_at, tx=msgspec.Raw(json.dumps(fields).encode()))

    return make
