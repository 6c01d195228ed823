import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.history.offline import OfflineStore
from txfeatures.history.sinks import BATCH, OfflineSink
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import AwsSettings

Answer = Callable[[list[Any]], dict[str, Any]]


def taken(entries: list[Any]) -> dict[str, Any]:
    return {"Errors": [], "UnprocessedEntries": []}


def half(entries: list[Any]) -> dict[str, Any]:
    return {"Errors": [], "UnprocessedEntries": entries[len(entries) // 2 :]}


def refused(entries: list[Any]) -> dict[str, Any]:
    return {"Errors": [{"Entry": entries[0], "ErrorMessage": "no"}], "UnprocessedEntries": []}


def failing(code: str) -> Answer:
    def fail(entries: list[Any]) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": code, "Message": "said so"}}, "BatchWriteRecord")

    return fail


def unreachable(entries: list[Any]) -> dict[str, Any]:
    raise EndpointConnectionError(endpoint_url="x")


class Client:
    """Answers as told, then takes everything."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.calls: list[list[Any]] = []

    def batch_write_record(self, *, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self.calls.append(Entries)
        return (self._answers.pop(0) if self._answers else taken)(Entries)


def sink(client: Client, clock: ManualClock, table_format: str = "glue") -> OfflineSink:
    return OfflineSink(
        client=client,  # type: ignore[arg-type]
        settings=AwsSettings(feature_group="g", table_format=table_format),
        store=OfflineStore(bucket=None, prefix=""),  # type: ignore[arg-type]
        directory=Path(),
        clock=clock,
        stop=threading.Event(),
        rows_per_s=10.0,
    )


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"tx_minute": f"m{n}", "total_nb_trx_1min": n, "avg_fee_1min": 0.5, "event_time": 90.25}
        for n in range(count)
    ]


def test_rows_are_put_offline_in_batches_at_the_pace_that_was_set() -> None:
    client, clock = Client(), ManualClock()
    sink(client, clock).write(rows(BATCH + 5))
    assert [len(call) for call in client.calls] == [BATCH, 5]
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
    sink(client, ManualClock(), "iceberg").write(rows(1))
    assert client.calls[0][0]["Record"][-1]["ValueAsString"] == "1970-01-01T00:01:30.250Z"


def test_what_was_left_unprocessed_is_put_again_alone() -> None:
    client = Client(half)
    sink(client, ManualClock()).write(rows(4))
    assert client.calls[1] == client.calls[0][2:]


@pytest.mark.parametrize("answer", [failing("ThrottlingException"), unreachable])
def test_what_may_pass_is_tried_again(answer: Answer) -> None:
    client = Client(answer, answer)
    sink(client, ManualClock()).write(rows(1))
    assert len(client.calls) == 3


def test_a_store_that_never_takes_ends_the_run_for_now() -> None:
    client = Client(*[unreachable] * 20)
    with pytest.raises(TransientError, match="run it again to go on"):
        sink(client, ManualClock()).write(rows(1))


@pytest.mark.parametrize("answer", [refused, failing("ValidationError")])
def test_a_refusal_for_good_ends_the_run(answer: Answer) -> None:
    with pytest.raises(FatalError, match="refused"):
        sink(Client(answer), ManualClock()).write(rows(1))


def test_a_signal_ends_the_run_between_two_calls() -> None:
    client = Client()
    stopping = sink(client, ManualClock())
    stopping.stop.set()
    with pytest.raises(TransientError, match="stopped"):
        stopping.write(rows(BATCH + 1))
    assert len(client.calls) == 1
