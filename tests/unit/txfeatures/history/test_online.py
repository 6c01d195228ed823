import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_name
from txfeatures.history.online import BATCH, OnlineStore
from txfeatures.process.clock import ManualClock

START_S = 1_729_296_000


class Client:
    """Has the rows it is given; leaves out some of the first call, or fails."""

    def __init__(self, *, leaves_out: int = 0, error: Exception | None = None) -> None:
        self.rows: dict[str, dict[str, str]] = {}
        self.calls: list[list[str]] = []
        self._leaves_out = leaves_out
        self._error = error

    def batch_get_record(self, *, Identifiers: list[Any]) -> dict[str, Any]:  # noqa: N803
        names = Identifiers[0]["RecordIdentifiersValueAsString"]
        self.calls.append(names)
        if self._error:
            raise self._error
        left, self._leaves_out = names[: self._leaves_out], max(0, self._leaves_out - 1)
        records = [
            {
                "RecordIdentifierValueAsString": name,
                "Record": [
                    {"FeatureName": n, "ValueAsString": v} for n, v in self.rows[name].items()
                ],
            }
            for name in names
            if name in self.rows and name not in left
        ]
        unprocessed = [{"RecordIdentifiersValueAsString": left}] if left else []
        return {"Records": records, "Errors": [], "UnprocessedIdentifiers": unprocessed}


def rows(client: Client, minutes: int) -> dict[int, Any]:
    store = OnlineStore(client, "g", clock=ManualClock(), stop=threading.Event())  # type: ignore[arg-type]
    return dict(store.rows(range(START_S, START_S + 60 * minutes, 60)))


def test_rows_come_back_with_the_types_of_their_features() -> None:
    client = Client()
    client.rows[minute_name(START_S)] = {
        "tx_minute": minute_name(START_S), "total_fee_1min": "12345678901234567",
        "avg_fee_1min": "0.1", "event_time": "1729296120.063", "of_another_release": "1",
    }  # fmt: skip
    assert rows(client, 2) == {
        START_S: {
            "tx_minute": minute_name(START_S),
            "total_fee_1min": 12345678901234567,
            "avg_fee_1min": 0.1,
            "event_time": 1729296120.063,
        }
    }


@pytest.mark.parametrize(
    ("text", "value"), [("2024-10-19T00:02:00.063Z", 1729296120.063), ("nonsense", "nonsense")]
)
def test_event_times_as_text_are_read_as_moments(text: str, value: float | str) -> None:
    client = Client()
    client.rows[minute_name(START_S)] = {"event_time": text}
    assert rows(client, 1)[START_S] == {"event_time": value}


def test_a_hundred_minutes_are_asked_for_at_a_time() -> None:
    client = Client()
    assert rows(client, BATCH + 1) == {}
    assert [len(call) for call in client.calls] == [BATCH, 1]


def test_what_was_left_out_is_asked_for_again() -> None:
    client = Client(leaves_out=2)
    for minute in range(3):
        client.rows[minute_name(START_S + 60 * minute)] = {"revision": "1"}
    assert len(rows(client, 3)) == 3
    assert [len(call) for call in client.calls] == [3, 2, 1]


def test_a_store_that_goes_on_leaving_out_ends_it_for_now() -> None:
    with pytest.raises(TransientError, match="left"):
        rows(Client(leaves_out=1000), 1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (EndpointConnectionError(endpoint_url="x"), TransientError),
        (ClientError({"Error": {"Code": "AccessForbidden", "Message": "no"}}, "B"), FatalError),
    ],
)
def test_errors_are_said_in_our_words(error: Exception, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="online store"):
        rows(Client(error=error), 1)
