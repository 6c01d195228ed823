from collections.abc import Iterator
from urllib.parse import unquote

import pytest

from tests.support.scripted_aws import Aws, scripted_aws
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.skips import Skip
from txfeatures.domain.errors import FatalError, SettingsError
from txfeatures.feature_store.errors import StoreUnavailableError
from txfeatures.process.settings import AwsSettings
from txfeatures_fs_writer.stores import S3Archive

SETTINGS = AwsSettings(timeout_s=0.5)
NAME = ObjectName(shelf=Shelf(date="2024-10-19", hour="10", partition=0), first=7)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with scripted_aws(monkeypatch) as script:
        yield script


def put_object() -> None:
    S3Archive(SETTINGS).put(NAME, b"PAR1", rows=1)


def test_an_object_is_put_under_its_name_and_then_made_live(aws: Aws) -> None:
    aws.headers = {"ETag": '"1"'}
    put_object()
    (one, at, body), (two, read, _), (three, listed, line) = aws.calls
    assert (one, unquote(at)) == ("PUT", f"/txfeatures/{NAME.key}")
    assert b"PAR1" in body
    assert (two, unquote(read)) == ("GET", f"/txfeatures/{NAME.shelf.manifest}")
    assert (three, listed) == ("PUT", read)
    assert f"s3://txfeatures/{NAME.key}\n".encode() in line


def test_a_skip_is_noted(aws: Aws) -> None:
    skip = Skip(
        topic="t", partition=0, committed_offset=3, first_offset=9, records=6, reason="expired"
    )
    S3Archive(SETTINGS).note(skip)
    ((method, at, body),) = aws.calls
    assert (method, unquote(at)) == ("PUT", f"/txfeatures/{skip.key}")
    assert b'"records":6' in body


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


def test_a_store_that_is_not_there_is_unavailable(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(StoreUnavailableError) as caught:
        put_object()
    assert caught.value.code == "EndpointConnectionError"


def test_an_endpoint_that_is_no_url_is_a_wrong_setting(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(SettingsError, match="AWS can't be used as configured"):
        S3Archive(SETTINGS)
