import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.fs_writer.ports import StoreUnavailableError
from services.fs_writer.stores import FeatureGroupStore, S3Archive
from txfeatures.errors import FatalError, InvalidMessageError, SettingsError
from txfeatures.settings import AwsSettings

VALUES = {"tx_minute": "2024-10-19 10:49:00", "total_fee_1min": "3406", "event_time": "3.5"}
SETTINGS = AwsSettings(timeout_s=0.5)


@dataclass(slots=True)
class Aws:
    """Answers every call as told and remembers what was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: threading.Event | None = None
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)


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
            self.send_response(script.status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(script.body)))
            self.end_headers()
            self.wfile.write(script.body)

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
    store = FeatureGroupStore(SETTINGS, connections=1)
    store.put(VALUES, ("OnlineStore", "OfflineStore"))


def put_object() -> None:
    S3Archive(SETTINGS).put("archive/one.parquet", b"PAR1")


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
    with pytest.raises(InvalidMessageError, match="total_fee_1min") as caught:
        put_row()
    assert caught.value.reason == "store_refused"


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


def test_an_object_is_put_under_its_name(aws: Aws) -> None:
    put_object()
    ((method, path, body),) = aws.calls
    assert (method, path) == ("PUT", "/txfeatures/archive/one.parquet")
    assert b"PAR1" in body


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
