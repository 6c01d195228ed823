from collections.abc import Callable
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from txfeatures.domain.errors import FatalError, TransientError
from txfeatures.domain.features import minute_name, minute_start_s
from txfeatures.domain.model import Row
from txfeatures.process.runtime import Runtime
from txfeatures.process.settings import AwsSettings
from txfeatures_api.reader import FeatureStoreReader

MakeRow = Callable[..., Row]

MINUTE = "2024-10-19 10:49:00"
MINUTE_S = minute_start_s(MINUTE)


class ScriptedClient:
    """Answers each call with what comes next: an error, or a change to the full answer."""

    def __init__(self, rows: list[Row], *script: Exception | dict[str, Any]) -> None:
        self._rows = {str(row["tx_minute"]): row for row in rows}
        self._script = list(script)
        self.asked: list[list[str]] = []

    def batch_get_record(self, *, Identifiers: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        names = Identifiers[0]["RecordIdentifiersValueAsString"]
        self.asked.append(names)
        step = self._script.pop(0) if self._script else {}
        if isinstance(step, Exception):
            raise step
        records = [record(self._rows[name]) for name in names if name in self._rows]
        return {"Records": records, "Errors": [], "UnprocessedIdentifiers": []} | step


def record(row: Row) -> dict[str, Any]:
    values = [{"FeatureName": name, "ValueAsString": str(value)} for name, value in row.items()]
    return {"RecordIdentifierValueAsString": row["tx_minute"], "Record": values}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "BatchGetRecord")


def error(code: str) -> dict[str, Any]:
    refused = {"RecordIdentifierValueAsString": MINUTE, "ErrorCode": code, "ErrorMessage": "no"}
    return {"Records": [], "Errors": [refused]}


UNPROCESSED = {
    "Records": [],
    "UnprocessedIdentifiers": [{"RecordIdentifiersValueAsString": [MINUTE]}],
}


@pytest.fixture
def reader_of(runtime: Runtime) -> Callable[[ScriptedClient], FeatureStoreReader]:
    def make(client: Any) -> FeatureStoreReader:
        return FeatureStoreReader(client, feature_group="group", runtime=runtime)

    return make


ReaderOf = Callable[[ScriptedClient], FeatureStoreReader]


def reads(runtime: Runtime, outcome: str) -> float | None:
    return runtime.metrics.registry.get_sample_value(
        "txf_api_store_reads_total", {"outcome": outcome}
    )


def test_minutes_are_read_a_hundred_to_a_call(make_row: MakeRow, reader_of: ReaderOf) -> None:
    minutes = [MINUTE_S + 60 * number for number in range(250)]
    rows = [make_row(minute_name(minute_s)) for minute_s in minutes[::2]]
    client = ScriptedClient(rows)
    assert reader_of(client).read(minutes) == rows
    assert [len(names) for names in client.asked] == [100, 100, 50]


def test_no_minutes_cost_no_call(reader_of: ReaderOf) -> None:
    client = ScriptedClient([])
    assert reader_of(client).read([]) == []
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
    ],
)
def test_what_may_pass_is_tried_again(
    bad_time: Exception | dict[str, Any],
    outcome: str,
    make_row: MakeRow,
    reader_of: ReaderOf,
    runtime: Runtime,
) -> None:
    row = make_row(MINUTE)
    client = ScriptedClient([row], bad_time, bad_time)
    assert reader_of(client).read([MINUTE_S]) == [row]
    assert len(client.asked) == 3
    assert (reads(runtime, outcome) or 0) >= 2


@pytest.mark.parametrize(
    "bad_time", [UNPROCESSED, error("InternalFailure"), refusal("ThrottlingException")]
)
def test_what_does_not_pass_is_given_up_after_three_calls(
    bad_time: Exception | dict[str, Any], reader_of: ReaderOf
) -> None:
    client = ScriptedClient([], *[bad_time] * 10)
    with pytest.raises(TransientError, match="has not answered for 1 minutes"):
        reader_of(client).read([MINUTE_S])
    assert len(client.asked) == 3


def test_only_what_was_left_out_is_read_again(make_row: MakeRow, reader_of: ReaderOf) -> None:
    other = make_row("2024-10-19 10:50:00")
    client = ScriptedClient([make_row(MINUTE), other], UNPROCESSED | {"Records": [record(other)]})
    rows = reader_of(client).read([MINUTE_S, MINUTE_S + 60])
    assert rows == [other, make_row(MINUTE)]
    assert client.asked[1] == [MINUTE]


def test_a_timeout_is_not_tried_again(reader_of: ReaderOf, runtime: Runtime) -> None:
    client = ScriptedClient([], ReadTimeoutError(endpoint_url="any"))
    with pytest.raises(TransientError, match="in time"):
        reader_of(client).read([MINUTE_S])
    assert len(client.asked) == 1
    assert reads(runtime, "ReadTimeoutError") == 1


@pytest.mark.parametrize(
    "lasting",
    [refusal("ValidationError"), refusal("AccessDeniedException"), error("AccessForbidden")],
)
def test_a_lasting_refusal_says_what_to_check(
    lasting: Exception | dict[str, Any], reader_of: ReaderOf
) -> None:
    client = ScriptedClient([], lasting)
    with pytest.raises(FatalError, match=r"group can't be read .* TXF_AWS_FEATURE_GROUP"):
        reader_of(client).read([MINUTE_S])
    assert len(client.asked) == 1


def test_missing_credentials_are_said_in_one_sentence(reader_of: ReaderOf) -> None:
    with pytest.raises(FatalError, match="set AWS_DEFAULT_REGION and credentials"):
        reader_of(ScriptedClient([], NoCredentialsError())).read([MINUTE_S])


def test_a_missing_region_is_said_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("txfeatures.process.aws._session", _session_without_region)
    with pytest.raises(FatalError, match="set AWS_DEFAULT_REGION"):
        FeatureStoreReader.connect(AwsSettings(), runtime=runtime)


def _session_without_region() -> Any:
    session = botocore.session.Session()
    session.set_config_variable("config_file", "/nowhere")
    return boto3.Session(botocore_session=session)


def test_a_record_that_cannot_be_read_is_counted_and_passed_over(
    make_row: MakeRow, reader_of: ReaderOf, runtime: Runtime
) -> None:
    bad, good = make_row(MINUTE), make_row("2024-10-19 10:50:00")
    client = ScriptedClient([{**bad, "revision": "first"}, good])
    assert reader_of(client).read([MINUTE_S, MINUTE_S + 60]) == [good]
    counted = runtime.metrics.registry.get_sample_value(
        "txf_api_unreadable_records_total", {"reason": "bad_revision"}
    )
    assert counted == 1
