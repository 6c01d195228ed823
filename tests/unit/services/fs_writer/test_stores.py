import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.domain.errors import FatalError, InvalidMessageError, SettingsError
from txfeatures.domain.model import Record
from txfeatures.process import aws as txf_aws
from txfeatures.process.settings import AwsSettings
from txfeatures_fs_writer.logic import Put
from txfeatures_fs_writer.ports import StoreUnavailableError
from txfeatures_fs_writer.stores import FeatureGroupStore, S3Archive

ROW = {"tx_minute": "2024-10-19 10:49:00", "total_fee_1min": "3406", "event_time": "3.5"}
SETTINGS = AwsSettings(timeout_s=0.5)
NAME = ObjectName(shelf=Shelf(date="2024-10-19", hour="10", partition=0), first=7)


def a_put(minute: int = 49, *, final: bool = True, **changes: str) -> Put:
    values = ROW | {"tx_minute": f"2024-10-19 10:{minute:02d}:00"} | changes
    record = Record(
        topic="aggregated", partition=0, offset=minute, key=b"", value=b"", timestamp_ms=0
    )
    return Put(position=minute, record=record, values=values, event_time_s=3.5, is_final=final)


Refusal = tuple[int, str, str]
"""Status, error code and message."""


@dataclass(slots=True)
class Aws:
    """Answers every call as told and remembers what was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: threading.Event | None = None
    spoilt_minute: str = ""
    expired_key: str = ""
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)

    def refusal(self, body: bytes, authorization: str) -> Refusal | None:
        if self.spoilt_minute and self.spoilt_minute.encode() in body:
            return 400, "ValidationError", f"{self.spoilt_minute} is spoilt"
        if self.expired_key and f"Credential={self.expired_key}/" in authorization:
            return 403, "ExpiredTokenException", "The security token is expired"
        return None


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    script = Aws()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # boto3 waits a second for "100 Continue" otherwise

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.calls.append((self.command, self.path, body))
            if script.hangs is not None:
                script.hangs.wait(10)
                self.close_connection = True
                return
            if refusal := script.refusal(body, self.headers.get("Authorization", "")):
                status, code, message = refusal
                text = json.dumps({"Message": message}).encode()
                self.reply(status, {"x-amzn-ErrorType": code}, text)
            else:
                self.reply(script.status, script.headers, script.body)

        def do_POST(self) -> None:
            self.do_PUT()

        def do_GET(self) -> None:
            script.calls.append((self.command, self.path, b""))
            body = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
            self.reply(404, {"Content-Type": "application/xml"}, body)

        def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    yield script
    if script.hangs is not None:
        script.hangs.set()
    server.shutdown()
    server.server_close()
    thread.join()


def answer(aws: Aws, status: int, code: str, message: str = "said so") -> None:
    aws.status = status
    aws.headers = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}
    aws.body = json.dumps({"Message": message}).encode()


def put_row() -> None:
    (answer,) = FeatureGroupStore(SETTINGS, connections=1).put([a_put()])
    assert answer is None


def put_object() -> None:
    S3Archive(SETTINGS).put(NAME, b"PAR1", rows=1)


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
    (refused,) = FeatureGroupStore(SETTINGS, connections=1).put([a_put()])
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
    with pytest.raises(StoreUnavailableError) as caught:
        put_object()
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
    assert FeatureGroupStore(SETTINGS, connections=1).put(puts) == [None, None]
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
    taken, refused, failed, undone, absent = FeatureGroupStore(SETTINGS, connections=1).put(puts)
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
    answers = FeatureGroupStore(SETTINGS, connections=1).put([a_put(m) for m in range(4)])
    assert [type(answer) for answer in answers] == [
        type(None),
        type(None),
        InvalidMessageError,
        type(None),
    ]
    assert [path for _, path, _ in aws.calls].count("/BatchWriteRecord") == 1


def test_a_call_that_is_refused_for_now_says_so_of_all_rows(aws: Aws) -> None:
    answer(aws, 400, "ThrottlingException")
    with pytest.raises(StoreUnavailableError) as caught:
        FeatureGroupStore(SETTINGS, connections=1).put([a_put(1), a_put(2)])
    assert caught.value.code == "ThrottlingException"


def test_a_missing_permission_is_named(aws: Aws) -> None:
    answer(aws, 403, "AccessDeniedException", "not authorized to perform")
    with pytest.raises(StoreUnavailableError, match=r"PutRecord and sagemaker:BatchWriteRecord"):
        FeatureGroupStore(SETTINGS, connections=1).put([a_put(1), a_put(2)])


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
        store = FeatureGroupStore(SETTINGS, connections=1)
        assert store.put([a_put()]) == [None]
        aws.expired_key = f"KEY{int((tmp_path / 'count').read_text()) + 1}"
        with pytest.raises(StoreUnavailableError) as caught:
            store.put([a_put()])
        assert caught.value.code == "ExpiredTokenException"
        assert store.put([a_put()]) == [None]
    finally:
        txf_aws._session.cache_clear()


def test_an_object_is_put_under_its_name_and_then_made_live(aws: Aws) -> None:
    aws.headers = {"ETag": '"1"'}
    put_object()
    (one, at, body), (two, read, _), (three, listed, line) = aws.calls
    assert (one, unquote(at)) == ("PUT", f"/txfeatures/{NAME.key}")
    assert b"PAR1" in body
    assert (two, unquote(read)) == ("GET", f"/txfeatures/{NAME.shelf.manifest}")
    assert (three, listed) == ("PUT", read)
    assert f"s3://txfeatures/{NAME.key}\n".encode() in line


def s3_error(aws: Aws, status: int, code: str) -> None:
    aws.status = status
    aws.headers = {"Content-Type": "application/xml"}
    aws.body = f"<Error><Code>{code}</Code><Message>said so</Message></Error>".encode()


def test_a_missing_bucket_stops_the_service_and_says_what_to_do(aws: Aws) -> None:
    s3_error(aws, 404, "NoSuchBucket")
    with pytest.raises(FatalError, match="no bucket txfeatures; run `txfeatures bootstrap`"):
        put_object()


@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (403, "AccessDenied")]
)
def test_s3_may_take_an_object_later(aws: Aws, status: int, code: str) -> None:
    s3_error(aws, status, code)
    with pytest.raises(StoreUnavailableError) as caught:
        put_object()
    assert caught.value.code == code


def test_an_endpoint_that_is_no_url_is_a_wrong_setting(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(SettingsError, match="AWS can't be used as configured"):
        S3Archive(SETTINGS)
    with pytest.raises(SettingsError, match="AWS can't be used as configured"):
        FeatureGroupStore(SETTINGS, connections=1)
