from dataclasses import replace

import pytest

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from tests.unit.txfeatures.archive.parts import ANEW, TOPIC, store
from txfeatures.archive.reading import live_objects
from txfeatures.archive.skips import Skip, skips, store_skip
from txfeatures.domain.errors import FatalError

SKIP = Skip(
    topic=TOPIC,
    partition=3,
    committed_offset=100,
    first_offset=250,
    records=150,
    reason="expired",
)


def test_skips_are_read_back_and_one_that_comes_again_is_one() -> None:
    bucket = MemoryBucket()
    store(bucket, range(3))
    others = [replace(SKIP, committed_offset=7), replace(SKIP, topic=ANEW)]
    for skip in (SKIP, *others, SKIP):
        store_skip(bucket, skip)
    found = skips(bucket)
    assert set(found) == {SKIP, *others}
    assert len(found) == 3
    assert len(live_objects(bucket)) == 1
    assert SKIP.key == f"archive/skipped/deduped.{TOPIC}-3-{100:020d}.json"


def test_an_archive_without_skips_has_none() -> None:
    assert skips(MemoryBucket()) == []


def test_other_objects_are_no_skips() -> None:
    bucket = MemoryBucket()
    for key in ("archive/skipped/", "archive/skipped_$folder$", f"{SKIP.key}.crc"):
        bucket.put(key, b"", content_type="")
    assert skips(bucket) == []


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[1]"])
def test_a_damaged_note_is_no_silence(body: bytes) -> None:
    bucket = MemoryBucket()
    bucket.put(SKIP.key, body, content_type="")
    with pytest.raises(FatalError, match=r"is damaged .* restore its previous version"):
        skips(bucket)
