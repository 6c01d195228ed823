import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from tests.support.scripted_aws import Aws, answer, scripted_aws
from txfeatures.domain.errors import FatalError, InvalidMessageError
from txfeatures.feature_store.codec import Target
from txfeatures.feature_store.errors import StoreUnavailableError
from txfeatures.feature_store.retries import Retries
from txfeatures.feature_store.writer import FeatureGroupWriter, OfflineWrite
from txfeatures.process import aws as txf_aws
from txfeatures.process.clock import ManualClock
from txfeatures.process.settings import AwsSettings

ROW = {"tx_minute": "2024-10-19 10:49:00", "total_fee_1min": "3406", "event_time": "3.5"}
SETTINGS = AwsSettings(timeout_s=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    values: dict[str, str]
    targets: tuple[Target, ...]


def a_put(minute: int = 49, *, final: bool = True) -> Put:
    targets: tuple[Target, ...] = ("OnlineStore", "OfflineStore") if final else ("OnlineStore",)
    return Put(values=ROW | {"tx_minute": f"2024-10-19 10:{minute:02d}:00"}, targets=targets)


def a_writer() -> FeatureGroupWriter:
    return FeatureGroupWriter(txf_aws.feature_store(SETTINGS), SETTINGS.feature_group)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with scripted_aws(monkeypatch) as script:
        yield script


def put_row() -> None:
    (outcome,) = a_writer().put([a_put()])
    if outcome is not None:
        raise outcome


def test_a_row_is_put_as_strings_into_the_named_stores(aws: Aws) -> None:
    put_row()
    ((_, path, body),) = aws.calls
    assert path == "/FeatureGroup/bitcoin-features-1min"
    assert json.loads(body) == {
        "Record": [
            {"FeatureName": "tx_minute", "ValueAsString": "2024-10-19 10:49:00"},
            {"FeatureName": "total_fee_1min", "ValueAsString": "3406"},
            {"FeatureName": "event_time", "ValueAsString": "3.5"},
        ],
        "TargetStores": ["OnlineStore", "OfflineStore"],
    }


@pytest.mark.parametrize("code", ["ValidationError", "ValidationException"])
def test_a_row_that_is_not_valid_is_refused_for_good(aws: Aws, code: str) -> None:
    answer(aws, 400, code, "Invalid value for feature total_fee_1min")
    (refused,) = a_writer().put([a_put()])
    assert isinstance(refused, InvalidMessageError)
    assert refused.reason == "store_refused"
    assert "total_fee_1min" in refused.detail


def test_a_group_that_is_not_found_may_be_found_later(aws: Aws) -> None:
    message = "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [x]."
    answer(aws, 400, "ValidationError", message)
    with pytest.raises(StoreUnavailableError, match="can't find a FeatureGroup"):
        put_row()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ThrottlingException"),
        (403, "AccessForbidden"),
        (403, "AccessDeniedException"),
        (403, "ExpiredTokenException"),
        (404, "ResourceNotFound"),
        (500, "InternalFailure"),
        (503, "ServiceUnavailable"),
    ],
)
def test_every_other_refusal_is_for_now(aws: Aws, status: int, code: str) -> None:
    answer(aws, status, code)
    with pytest.raises(StoreUnavailableError) as caught:
        put_row()
    assert caught.value.code == code


def test_a_call_is_made_once_as_the_step_counts_the_retries(aws: Aws) -> None:
    answer(aws, 503, "ServiceUnavailable")
    with pytest.raises(StoreUnavailableError):
        put_row()
    assert len(aws.calls) == 1


def test_a_store_that_does_not_answer_is_unavailable(aws: Aws) -> None:
    aws.hangs = threading.Event()
    with pytest.raises(StoreUnavailableError) as caught:
        put_row()
    assert caught.value.code == "ReadTimeoutError"


def test_a_store_that_is_not_there_is_unavailable(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreUnavailableError) as caught:
        put_row()
    assert caught.value.code == "EndpointConnectionError"


def batch(aws: Aws, *, errors: list[Any] = [], unprocessed: list[Any] = []) -> None:  # noqa: B006
    aws.headers = {"Content-Type": "application/json"}
    aws.body = json.dumps({"Errors": errors, "UnprocessedEntries": unprocessed}).encode()


def entry(put: Put) -> dict[str, Any]:
    record = [{"FeatureName": n, "ValueAsString": v} for n, v in put.values.items()]
    return {"FeatureGroupName": "bitcoin-features-1min", "Record": record}


def test_rows_of_several_minutes_go_with_one_call_each_into_its_own_stores(aws: Aws) -> None:
    batch(aws)
    puts = [a_put(49), a_put(50, final=False)]
    assert a_writer().put(puts) == [None, None]
    ((method, path, body),) = aws.calls
    assert (method, path) == ("POST", "/BatchWriteRecord")
    one, two = json.loads(body)["Entries"]
    assert one == entry(puts[0]) | {"TargetStores": ["OnlineStore", "OfflineStore"]}
    assert two == entry(puts[1]) | {"TargetStores": ["OnlineStore"]}


def test_what_became_of_each_row_of_a_call_is_told_apart(aws: Aws) -> None:
    puts = [a_put(minute) for minute in range(5)]
    unknown = "Resource Not Found: Amazon SageMaker can't find a FeatureGroup with name [x]."
    batch(
        aws,
        errors=[
            {"Entry": entry(puts[1]), "ErrorCode": "ValidationError", "ErrorMessage": "no"},
            {"Entry": entry(puts[2]), "ErrorCode": "InternalFailure", "ErrorMessage": "ouch"},
            {"Entry": entry(puts[4]), "ErrorCode": "ValidationError", "ErrorMessage": unknown},
        ],
        unprocessed=[entry(puts[3])],
    )
    taken, refused, failed, undone, absent = a_writer().put(puts)
    assert taken is None
    assert isinstance(refused, InvalidMessageError)
    assert isinstance(failed, StoreUnavailableError)
    assert failed.code == "InternalFailure"
    assert isinstance(undone, StoreUnavailableError)
    assert undone.code == "UnprocessedEntries"
    assert isinstance(absent, StoreUnavailableError)


def test_a_row_that_spoils_the_whole_call_is_found_and_the_others_are_taken(aws: Aws) -> None:
    batch(aws)
    aws.spoilt_minute = "2024-10-19 10:02:00"
    answers = a_writer().put([a_put(m) for m in range(4)])
    assert [type(answer) for answer in answers] == [
        type(None),
        type(None),
        InvalidMessageError,
        type(None),
    ]
    assert [path for _, path, _ in aws.calls].count("/BatchWriteRecord") == 1


def test_a_call_that_is_refused_for_now_says_so_of_all_rows(aws: Aws) -> None:
    answer(aws, 400, "ThrottlingException")
    for outcome in a_writer().put([a_put(1), a_put(2)]):
        assert isinstance(outcome, StoreUnavailableError)
        assert outcome.code == "ThrottlingException"


def test_a_missing_permission_is_named(aws: Aws) -> None:
    answer(aws, 403, "AccessDeniedException", "not authorized to perform")
    outcome, _ = a_writer().put([a_put(1), a_put(2)])
    assert "PutRecord and sagemaker:BatchWriteRecord" in str(outcome)


def test_credentials_that_expire_are_fetched_anew_by_the_same_client(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    provider = tmp_path / "provider.py"
    provider.write_text(
        "import datetime, json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "number = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(number))\n"
        "soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'KEY{number}', 'SecretAccessKey': 's',"
        " 'SessionToken': 't', 'Expiration': soon.isoformat()}))\n"
    )
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} {provider}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    txf_aws._session.cache_clear()
    try:
        store = a_writer()
        assert store.put([a_put()]) == [None]
        aws.expired_key = f"KEY{int((tmp_path / 'count').read_text()) + 1}"
        (outcome,) = store.put([a_put()])
        assert isinstance(outcome, StoreUnavailableError)
        assert outcome.code == "ExpiredTokenException"
        assert store.put([a_put()]) == [None]
    finally:
        txf_aws._session.cache_clear()


class Client:
    """Answers as told, then takes everything."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.calls: list[list[Any]] = []

    def batch_write_record(self, *, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        self.calls.append(Entries)
        return (self._answers.pop(0) if self._answers else taken)(Entries)

    def put_record(self, **entry: Any) -> None:
        (self._answers.pop(0) if self._answers else taken)([entry])
        self.calls.append([entry])


def taken(entries: list[Any]) -> dict[str, Any]:
    return {"Errors": [], "UnprocessedEntries": []}


def half(entries: list[Any]) -> dict[str, Any]:
    return {"Errors": [], "UnprocessedEntries": entries[len(entries) // 2 :]}


def refused(entries: list[Any]) -> dict[str, Any]:
    error = {"Entry": entries[0], "ErrorCode": "ValidationError", "ErrorMessage": "no"}
    return {"Errors": [error], "UnprocessedEntries": []}


def failing(code: str) -> Any:
    def fail(entries: list[Any]) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": code, "Message": "said so"}}, "BatchWriteRecord")

    return fail


def unreachable(entries: list[Any]) -> dict[str, Any]:
    raise EndpointConnectionError(endpoint_url="x")


def write(client: Client, count: int = 4) -> ManualClock:
    clock = ManualClock()
    writes = [OfflineWrite(values=a_put(minute).values) for minute in range(count)]
    writer = FeatureGroupWriter(client, "g")  # type: ignore[arg-type]
    writer.put_all(writes, Retries(clock=clock, stop=threading.Event()))
    return clock


def test_what_was_left_unprocessed_is_written_again_alone() -> None:
    client = Client(half)
    write(client)
    assert client.calls[1] == client.calls[0][2:]
    assert client.calls[0][0]["TargetStores"] == ["OfflineStore"]


@pytest.mark.parametrize("bad_time", [failing("ThrottlingException"), unreachable])
def test_what_may_pass_is_written_again_after_growing_pauses(bad_time: Any) -> None:
    client = Client(bad_time, bad_time)
    clock = write(client)
    assert len(client.calls) == 3
    assert clock.monotonic() == pytest.approx(0.2 + 0.4)


def test_a_store_that_never_takes_is_unavailable() -> None:
    client = Client(*[unreachable] * 20)
    with pytest.raises(StoreUnavailableError, match=r"throttled or unavailable .* run it again"):
        write(client)
    assert len(client.calls) == 8


@pytest.mark.parametrize("answer", [refused, failing("AccessDeniedException")])
def test_a_lasting_refusal_is_fatal_at_once(answer: Any) -> None:
    client = Client(answer)
    with pytest.raises(FatalError, match="refused"):
        write(client)
    assert len(client.calls) == 1
