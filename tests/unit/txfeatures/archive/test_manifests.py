import threading

import pytest

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from tests.unit.txfeatures.archive.parts import SHELF, as_athena_reads, part, store
from txfeatures.archive.bucket import ChangedError, S3UnavailableError
from txfeatures.archive.layout import ObjectName
from txfeatures.archive.manifests import ATTEMPTS, CACHED_SHELVES, Manifests
from txfeatures.archive.objects import store_object
from txfeatures.domain.errors import FatalError

ONE, TWO = ObjectName(shelf=SHELF, first=0), ObjectName(shelf=SHELF, first=5)
BOTH = ObjectName(shelf=SHELF, first=0, last=9)


def text(bucket: MemoryBucket) -> str:
    return bucket.objects[SHELF.manifest].body.decode()


def test_a_manifest_is_a_list_of_addresses_by_offset() -> None:
    bucket = MemoryBucket()
    for name in (TWO, ONE):
        Manifests(bucket).add(name)
    assert text(bucket) == f"s3://txfeatures/{ONE.key}\ns3://txfeatures/{TWO.key}\n"
    assert Manifests(bucket).read(SHELF).live == (ONE, TWO)


def test_a_shelf_where_nothing_was_archived_is_empty() -> None:
    manifest = Manifests(MemoryBucket()).read(SHELF)
    assert manifest.live == ()
    assert manifest.etag is None


def test_to_add_again_changes_nothing() -> None:
    bucket = MemoryBucket()
    manifests = Manifests(bucket)
    manifests.add(ONE)
    before = bucket.objects[SHELF.manifest]
    manifests.add(ONE)
    Manifests(bucket).add(ONE)
    assert bucket.objects[SHELF.manifest] is before


def test_what_was_compacted_away_does_not_come_back() -> None:
    bucket = MemoryBucket()
    writer, compaction = Manifests(bucket), Manifests(bucket)
    writer.add(ONE)
    writer.add(TWO)
    compaction.replace(compaction.read(SHELF), [BOTH])
    crashed = Manifests(bucket)
    for manifests in (writer, crashed):
        manifests.add(ONE)
        manifests.add(TWO)
    assert Manifests(bucket).read(SHELF).live == (BOTH,)


def test_an_object_that_comes_late_stands_beside_the_compacted_one() -> None:
    bucket = MemoryBucket()
    Manifests(bucket).add(BOTH)
    late = ObjectName(shelf=SHELF, first=10)
    Manifests(bucket).add(late)
    assert Manifests(bucket).read(SHELF).live == (BOTH, late)


def test_a_state_that_is_not_the_present_one_can_not_be_replaced() -> None:
    bucket = MemoryBucket()
    manifests = Manifests(bucket)
    old = manifests.read(SHELF)
    Manifests(bucket).add(ONE)
    with pytest.raises(ChangedError):
        manifests.replace(old, [TWO])
    assert Manifests(bucket).read(SHELF).live == (ONE,)


def test_a_writer_that_lost_the_race_adds_to_what_the_other_made() -> None:
    bucket = MemoryBucket()
    manifests = Manifests(bucket)
    manifests.add(ONE)  # remembered
    Manifests(bucket).add(TWO)
    third = ObjectName(shelf=SHELF, first=10)
    manifests.add(third)
    assert Manifests(bucket).read(SHELF).live == (ONE, TWO, third)


def test_many_writers_at_once_lose_nothing() -> None:
    bucket = MemoryBucket()
    names = [ObjectName(shelf=SHELF, first=offset) for offset in range(40)]

    def add(some: list[ObjectName]) -> None:
        manifests = Manifests(bucket)
        for name in some:
            manifests.add(name)

    threads = [threading.Thread(target=add, args=(names[start::4],)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Manifests(bucket).read(SHELF).live == tuple(names)


def test_a_writer_that_always_loses_gives_up_for_now() -> None:
    tries = 0

    def change(operation: str, _key: str) -> None:
        nonlocal tries
        if operation == "put_if":
            tries += 1
            raise ChangedError("PreconditionFailed", "somebody else")

    with pytest.raises(S3UnavailableError):
        Manifests(MemoryBucket(before=change)).add(ONE)
    assert tries == ATTEMPTS


def test_a_write_whose_answer_was_lost_is_made_good_by_repeating_it() -> None:
    answers = iter([S3UnavailableError("ReadTimeoutError", "no answer")])

    def lose(operation: str, _key: str) -> None:
        if operation == "put_if" and (error := next(answers, None)):
            raise error

    bucket = MemoryBucket(after=lose)
    manifests = Manifests(bucket)
    with pytest.raises(S3UnavailableError):
        manifests.add(ONE)
    manifests.add(ONE)
    manifests.add(TWO)
    assert Manifests(bucket).read(SHELF).live == (ONE, TWO)


def test_a_second_object_of_a_shelf_costs_one_write_and_no_read() -> None:
    seen: list[str] = []
    bucket = MemoryBucket(before=lambda operation, _: seen.append(operation))
    manifests = Manifests(bucket)
    manifests.add(ONE)
    assert seen == ["get", "put_if"]
    manifests.add(TWO)
    assert seen == ["get", "put_if", "put_if"]


def test_only_so_many_shelves_are_remembered() -> None:
    manifests = Manifests(MemoryBucket())
    for hour in range(CACHED_SHELVES + 5):
        manifests.read(type(SHELF).at(hour * 3600, 0))
    assert len(manifests._cache) == CACHED_SHELVES


@pytest.mark.parametrize("line", ["", "nonsense", "s3://another/x", f"s3://txfeatures/{ONE.key}x"])
def test_a_spoilt_manifest_is_said_so(line: str) -> None:
    bucket = MemoryBucket()
    bucket.put_if(SHELF.manifest, f"{line}\n".encode(), etag=None)
    with pytest.raises(FatalError, match="no object of that hour"):
        Manifests(bucket).read(SHELF)


def test_an_empty_manifest_is_not_an_empty_hour() -> None:
    bucket = MemoryBucket()
    bucket.put_if(SHELF.manifest, b"", etag=None)
    with pytest.raises(FatalError, match="is empty; restore its previous version"):
        Manifests(bucket).read(SHELF)


def test_a_manifest_that_is_no_text_is_damaged() -> None:
    bucket = MemoryBucket()
    bucket.put_if(SHELF.manifest, b"\xff\x00", etag=None)
    with pytest.raises(FatalError, match="which is no object of that hour"):
        Manifests(bucket).read(SHELF)


def test_the_table_has_the_rows_of_live_objects_only() -> None:
    bucket = MemoryBucket()
    store(bucket, range(3))
    name, body, rows = part(range(3, 5))
    store_object(bucket, name, body, rows=rows)
    assert as_athena_reads(bucket.objects) == [(0, 0), (0, 1), (0, 2)]
