import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.declared import FEATURES
from txfeatures.domain.errors import TransientError
from txfeatures.feature_store.codec import WRITE_BATCH, TableFormat
from txfeatures.feature_store.offline import OfflineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.feature_store.writer import FeatureGroupWriter
from txfeatures.history.sinks import OfflineSink
from txfeatures.process.clock import ManualClock


class Client:
    """Takes everything."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []

    def batch_write_record(self, *, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self.calls.append(Entries)
        return {"Errors": [], "UnprocessedEntries": []}


def sink(client: Client, clock: ManualClock, table_format: TableFormat = "glue") -> OfflineSink:
    return OfflineSink(
        writer=FeatureGroupWriter(client, "g"),  # type: ignore[arg-type]
        table_format=table_format,
        store=OfflineStore(bucket=None, prefix="", features=FEATURES),  # type: ignore[arg-type]
        directory=Path(),
        retries=Retries(clock=clock, stop=threading.Event()),
        rows_per_s=10.0,
    )


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"tx_minute": f"m{n}", "total_nb_trx_1min": n, "avg_fee_1min": 0.5, "event_time": 90.25}
        for n in range(count)
    ]


def test_rows_are_put_offline_in_batches_at_the_pace_that_was_set() -> None:
    client, clock = Client(), ManualClock()
    sink(client, clock).write(rows(WRITE_BATCH + 5))
    assert [len(call) for call in client.calls] == [WRITE_BATCH, 5]
    assert clock.monotonic() == pytest.approx(3.0)
    assert client.calls[0][1] == {
        "FeatureGroupName": "g",
        "TargetStores": ["OfflineStore"],
        "Record": [
            {"FeatureName": "tx_minute", "ValueAsString": "m1"},
            {"FeatureName": "total_nb_trx_1min", "ValueAsString": "1"},
            {"FeatureName": "avg_fee_1min", "ValueAsString": "0.5"},
            {"FeatureName": "event_time", "ValueAsString": "90.25"},
        ],
    }


def test_a_group_in_icebergs_format_gets_event_times_as_text() -> None:
    client = Client()
    sink(client, ManualClock(), "iceberg").write(rows(2))
    assert client.calls[0][0]["Record"][-1]["ValueAsString"] == "1970-01-01T00:01:30.250Z"


def test_a_signal_ends_the_run_between_two_calls() -> None:
    client = Client()
    stopping = sink(client, ManualClock())
    stopping.retries.stop.set()
    with pytest.raises(TransientError, match="stopped"):
        stopping.write(rows(WRITE_BATCH + 1))
    assert len(client.calls) == 1
