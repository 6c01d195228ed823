"""The contract of a bucket, for the real client at the local AWS and the fake in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError
from featurestore_local import LocalAws

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from txfeatures.archive.bucket import (
    Bucket,
    ChangedError,
    MissingError,
    S3Bucket,
    S3UnavailableError,
)
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.objects import store_object
from txfeatures.domain.errors import FatalError
from txfeatures.process import aws
from txfeatures.process.clock import SystemClock
from txfeatures.process.settings import AwsSettings

NAME = ObjectName(shelf=Shelf(date="2024-10-19", hour="10", partition=0), first=7)


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAws]:
    with pytest.MonkeyPatch.context() as environ, LocalAws() as local:
        environ.setenv("AWS_ENDPOINT_URL", local.endpoint_url)
        environ.setenv("AWS_ACCESS_KEY_ID", "local")
        environ.setenv("AWS_SECRET_ACCESS_KEY", "local")
        environ.setenv("AWS_DEFAULT_REGION", local.region)
        aws._session.cache_clear()
        aws.s3(AwsSettings()).create_bucket(
            Bucket="txfeatures", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield local
    aws._session.cache_clear()


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.integration)])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    if request.param == "memory":
        return MemoryBucket(clock=SystemClock())
    request.getfixturevalue("local_aws")
    return S3Bucket(aws.s3(AwsSettings(timeout_s=30)), "txfeatures")


def put(bucket: Bucket, key: str, body: bytes = b"x") -> None:
    bucket.put(key, body, content_type="text/plain")


def test_an_object_is_read_as_it_was_stored_last(bucket: Bucket, tmp_path: Path) -> None:
    put(bucket, "one/a", b"first")
    put(bucket, "one/a", b"second")
    stored = bucket.get("one/a")
    assert stored.body == b"second"
    assert abs(stored.modified_s - SystemClock().now()) < 60
    bucket.download("one/a", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"second"


def test_a_file_is_stored_whole(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"z" * 3_000_000)
    with (tmp_path / "file").open("rb") as body:
        store_object(bucket, NAME, body, rows=3)
    assert bucket.get(NAME.key).body == b"z" * 3_000_000


def test_what_is_not_there_is_missing(bucket: Bucket, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nowhere/a"):
        bucket.get("nowhere/a")
    with pytest.raises(MissingError):
        bucket.download("nowhere/a", tmp_path / "file")
    bucket.delete(["nowhere/a"])


def test_a_conditional_write_finds_out_what_was_written_in_between(bucket: Bucket) -> None:
    first = bucket.put_if("cas/a", b"1", etag=None)
    assert bucket.get("cas/a").etag == first
    second = bucket.put_if("cas/a", b"2", etag=first)
    for stale in (first, None):
        with pytest.raises(ChangedError):
            bucket.put_if("cas/a", b"3", etag=stale)
    bucket.put_if("cas/a", b"3", etag=second)
    assert bucket.get("cas/a").body == b"3"


def test_a_conditional_write_of_what_is_gone_is_refused(bucket: Bucket) -> None:
    etag = bucket.put_if("cas/b", b"1", etag=None)
    bucket.delete(["cas/b"])
    with pytest.raises(ChangedError):
        bucket.put_if("cas/b", b"2", etag=etag)


def test_of_many_conditional_writers_each_time_one_wins(bucket: Bucket) -> None:
    bucket.put_if("cas/c", b"", etag=None)

    def append(line: int) -> None:
        while True:
            try:
                stored = bucket.get("cas/c")
                bucket.put_if("cas/c", stored.body + f"{line}\n".encode(), etag=stored.etag)
            except S3UnavailableError:
                continue
            return

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(20)))
    lines = bucket.get("cas/c").body.decode().split()
    assert sorted(map(int, lines)) == list(range(20))


def test_a_listing_has_every_key_in_order_and_no_other(bucket: Bucket) -> None:
    keys = [f"many/{number:05d}" for number in range(1005)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: put(bucket, key, b"12"), keys))
    put(bucket, "many2/other")
    listed = list(bucket.list("many/"))
    assert [each.key for each in listed] == keys
    assert {each.size_bytes for each in listed} == {2}
    assert [each.key for each in bucket.list("many/", after="many/01002")] == keys[1003:]
    bucket.delete(keys)
    assert list(bucket.list("many/")) == []


@pytest.fixture
def s3(local_aws: LocalAws) -> S3Bucket:
    return S3Bucket(aws.s3(AwsSettings()), "txfeatures")


def order(local: LocalAws, operation: str, error: str) -> None:
    fault = msgspec.json.encode([{"operation": operation, "error": error}])
    request = Request(f"{local.endpoint_url}/_local/faults", fault, method="POST")
    with urlopen(request, timeout=30) as response:
        assert response.status == 200


@pytest.mark.integration
@pytest.mark.parametrize("error", ["SlowDown", "InternalError", "drop"])
def test_s3_that_refuses_for_now_is_unavailable(
    local_aws: LocalAws, s3: S3Bucket, error: str
) -> None:
    put(s3, "a")
    order(local_aws, "s3:GET", error)
    with pytest.raises(S3UnavailableError):
        s3.get("a")
    order(local_aws, "s3:PUT", error)
    with pytest.raises(S3UnavailableError):
        put(s3, "a")
    order(local_aws, "s3:POST", error)
    with pytest.raises(S3UnavailableError):
        s3.delete(["a"])
    assert s3.get("a").body == b"x"


class BreakingClient:
    """Serves an object whose body breaks off some times."""

    def __init__(self, breaks: int) -> None:
        self.breaks = breaks

    def get_object(self, **_: str) -> dict[str, Any]:
        self.breaks -= 1
        return {"Body": self, "ETag": "1", "LastModified": datetime(2024, 10, 19, tzinfo=UTC)}

    def read(self) -> bytes:
        return b"".join(self.iter_chunks(1))

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield b"who"
        if self.breaks >= 0:
            raise ReadTimeoutError(endpoint_url="any")
        yield b"le"


def test_a_body_that_breaks_off_is_read_again_from_its_start(tmp_path: Path) -> None:
    assert S3Bucket(BreakingClient(2), "b").get("a").body == b"whole"  # type: ignore[arg-type]
    S3Bucket(BreakingClient(2), "b").download("a", tmp_path / "a")  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == b"whole"
    with pytest.raises(S3UnavailableError, match="unavailable"):
        S3Bucket(BreakingClient(3), "b").get("a")  # type: ignore[arg-type]


@pytest.mark.integration
def test_a_bucket_that_is_not_there_is_said_so(local_aws: LocalAws) -> None:
    absent = S3Bucket(aws.s3(AwsSettings()), "another-bucket")
    with pytest.raises(FatalError, match="no bucket another-bucket; run `txfeatures bootstrap`"):
        list(absent.list(""))
    with pytest.raises(FatalError, match="no bucket another-bucket"):
        put(absent, "a")


@pytest.mark.integration
def test_an_object_says_how_to_tell_later_whether_it_is_intact(
    local_aws: LocalAws, s3: S3Bucket
) -> None:
    store_object(s3, NAME, b"PAR1", rows=3)
    answer = aws.s3(AwsSettings()).head_object(Bucket="txfeatures", Key=NAME.key)
    assert answer["Metadata"]["rows"] == "3"
    assert len(answer["Metadata"]["sha256"]) == 64
