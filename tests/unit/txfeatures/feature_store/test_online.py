import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from txfeatures.domain.errors import FatalError, SettingsError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.feature_store.errors import StoreUnavailableError
from txfeatures.feature_store.online import OnlineStore
from txfeatures.feature_store.retries import Retries
from txfeatures.process.clock import ManualClock

MINUTE = "2024-10-19 10:49:00"
MINUTE_S = minute_start_s(MINUTE)
OTHER = "2024-10-19 10:50:00"


class ScriptedClient:
    """Answers each call with what comes next: an error, or a change to the full answer."""

    def __init__(self, names: list[str], *script: Exception | dict[str, Any]) -> None:
        self._names = names
        self._script = list(script)
        self.asked: list[list[str]] = []

    def batch_get_record(self, *, Identifiers: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        names = Identifiers[0]["RecordIdentifiersValueAsString"]
        self.asked.append(names)
        step = self._script.pop(0) if self._script else {}
        if isinstance(step, Exception):
            raise step
        records = [record(name) for name in names if name in self._names]
        return {"Records": records, "Errors": [], "UnprocessedIdentifiers": []} | step


def record(name: str) -> dict[str, Any]:
    values = [{"FeatureName": "tx_minute", "ValueAsString": name}]
    return {"RecordIdentifierValueAsString": name, "Record": values}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "BatchGetRecord")


def error(code: str) -> dict[str, Any]:
    refused = {"RecordIdentifierValueAsString": MINUTE, "ErrorCode": code, "ErrorMessage": "no"}
    return {"Records": [], "Errors": [refused]}


UNPROCESSED = {
    "Records": [],
    "UnprocessedIdentifiers": [{"RecordIdentifiersValueAsString": [MINUTE]}],
}

StoreOf = Callable[..., OnlineStore]


@pytest.fixture
def outcomes() -> Counter[str]:
    return Counter()


@pytest.fixture
def store_of(outcomes: Counter[str]) -> StoreOf:
    def make(client: Any, **policy: Any) -> OnlineStore:
        retries = Retries(clock=ManualClock(), stop=threading.Event(), attempts=3, **policy)

        def count(outcome: str) -> None:
            outcomes[outcome] += 1

        return OnlineStore(client, "group", retries=retries, on_outcome=count)

    return make


def names(store: OnlineStore, *minutes: int) -> list[str]:
    return [name for name, _ in store.read(minutes or [MINUTE_S])]


def test_minutes_are_read_a_hundred_to_a_call(store_of: StoreOf) -> None:
    minutes = [MINUTE_S + 60 * number for number in range(250)]
    there = [minute_name(minute_s) for minute_s in minutes[::2]]
    client = ScriptedClient(there)
    assert names(store_of(client), *minutes) == there
    assert [len(asked) for asked in client.asked] == [100, 100, 50]


def test_no_minutes_cost_no_call(store_of: StoreOf) -> None:
    client = ScriptedClient([])
    assert list(store_of(client).read([])) == []
    assert client.asked == []


@pytest.mark.parametrize(
    ("bad_time", "outcome"),
    [
        (UNPROCESSED, "ok"),
        (error("ThrottlingException"), "ThrottlingException"),
        (error("InternalFailure"), "InternalFailure"),
        (refusal("ThrottlingException"), "ThrottlingException"),
        (refusal("ServiceUnavailable"), "ServiceUnavailable"),
        (EndpointConnectionError(endpoint_url="any"), "EndpointConnectionError"),
        (ConnectionClosedError(endpoint_url="any"), "ConnectionClosedError"),
        (ReadTimeoutError(endpoint_url="any"), "ReadTimeoutError"),
    ],
)
def test_what_may_pass_is_tried_again(
    bad_time: Exception | dict[str, Any],
    outcome: str,
    store_of: StoreOf,
    outcomes: Counter[str],
) -> None:
    client = ScriptedClient([MINUTE], bad_time, bad_time)
    assert names(store_of(client)) == [MINUTE]
    assert len(client.asked) == 3
    assert outcomes[outcome] >= 2


@pytest.mark.parametrize(
    "bad_time", [UNPROCESSED, error("InternalFailure"), refusal("ThrottlingException")]
)
def test_what_does_not_pass_is_given_up_after_three_calls(
    bad_time: Exception | dict[str, Any], store_of: StoreOf
) -> None:
    client = ScriptedClient([], *[bad_time] * 10)
    with pytest.raises(StoreUnavailableError, match=r"throttled or unavailable .* 1 records"):
        names(store_of(client))
    assert len(client.asked) == 3


def test_only_what_was_left_out_is_read_again(store_of: StoreOf) -> None:
    client = ScriptedClient([MINUTE, OTHER], UNPROCESSED | {"Records": [record(OTHER)]})
    assert names(store_of(client), MINUTE_S, MINUTE_S + 60) == [OTHER, MINUTE]
    assert client.asked[1] == [MINUTE]


def test_a_time_out_is_not_tried_again_where_somebody_waits(
    store_of: StoreOf, outcomes: Counter[str]
) -> None:
    client = ScriptedClient([], ReadTimeoutError(endpoint_url="any"))
    with pytest.raises(StoreUnavailableError, match="ReadTimeoutError"):
        names(store_of(client, repeats_timeouts=False))
    assert len(client.asked) == 1
    assert outcomes["ReadTimeoutError"] == 1


@pytest.mark.parametrize(
    "lasting",
    [refusal("ValidationError"), refusal("AccessDeniedException"), error("AccessForbidden")],
)
def test_a_lasting_refusal_says_what_to_check(
    lasting: Exception | dict[str, Any], store_of: StoreOf
) -> None:
    client = ScriptedClient([], lasting)
    with pytest.raises(FatalError, match=r"group group refused .* permissions and TXF_AWS"):
        names(store_of(client))
    assert len(client.asked) == 1


def test_missing_credentials_are_reported_in_one_sentence(store_of: StoreOf) -> None:
    with pytest.raises(SettingsError, match="set AWS_DEFAULT_REGION and credentials"):
        names(store_of(ScriptedClient([], NoCredentialsError())))
