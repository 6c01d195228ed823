from dataclasses import replace

import pytest

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from tests.unit.txfeatures.archive.parts import SHELF, TOPIC, part, record, shelf_of, store
from txfeatures.archive.bucket import S3UnavailableError
from txfeatures.archive.layout import ObjectName, Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.untitled import has_untitled
from txfeatures.domain.model import Record

NAME = ObjectName(shelf=shelf_of(TOPIC), first=3)
COMPACTED = ObjectName(shelf=SHELF, first=0, last=5)


@pytest.fixture
def bucket() -> MemoryBucket:
    bucket = MemoryBucket()
    store(bucket, range(3))
    store(bucket, range(3, 6))
    return bucket


def compacted(bucket: MemoryBucket) -> None:
    _, body, rows = part(range(6))
    store_object(bucket, COMPACTED, body, rows=rows)
    manifests = Manifests(bucket)
    manifests.replace(manifests.read(SHELF), [COMPACTED])


@pytest.mark.parametrize("is_compacted", [False, True])
def test_an_object_of_an_earlier_release_is_found(bucket: MemoryBucket, is_compacted: bool) -> None:
    if is_compacted:
        compacted(bucket)
    assert has_untitled(bucket, NAME, record(3))


@pytest.mark.parametrize("is_compacted", [False, True])
@pytest.mark.parametrize(
    "other", [replace(record(3), value=b"{}"), replace(record(3), timestamp_ms=1)]
)
def test_an_object_of_a_topic_that_is_gone_is_another(
    bucket: MemoryBucket, other: Record, is_compacted: bool
) -> None:
    if is_compacted:
        compacted(bucket)
    assert not has_untitled(bucket, NAME, other)


@pytest.mark.parametrize("first", [4, 6])
def test_an_object_that_begins_elsewhere_is_another(bucket: MemoryBucket, first: int) -> None:
    assert not has_untitled(bucket, replace(NAME, first=first), record(first))


def test_an_object_of_another_hour_or_partition_is_another(bucket: MemoryBucket) -> None:
    for shelf in (
        Shelf.at(SHELF.start_s + 3600, 0, topic=TOPIC),
        Shelf.at(SHELF.start_s, 1, topic=TOPIC),
    ):
        assert not has_untitled(bucket, replace(NAME, shelf=shelf), record(3))


@pytest.mark.parametrize("is_gone", [False, True])
def test_one_that_cannot_be_read_has_nothing(bucket: MemoryBucket, is_gone: bool) -> None:
    key = replace(NAME, shelf=SHELF).key
    if is_gone:
        bucket.delete([key])
    else:
        bucket.put(key, b"", content_type="")
    assert not has_untitled(bucket, NAME, record(3))


def test_a_refusal_of_s3_is_no_answer(bucket: MemoryBucket) -> None:
    def refuse(_operation: str, _key: str) -> None:
        raise S3UnavailableError("SlowDown", "slow down")

    bucket.before = refuse
    with pytest.raises(S3UnavailableError):
        has_untitled(bucket, NAME, record(3))
