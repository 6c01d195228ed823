import pytest

from tests.unit.txfeatures.archive.memory_bucket import MemoryBucket
from txfeatures.archive.bucket import S3UnavailableError
from txfeatures.compaction.lease import KEY, LEASE_S, Lease
from txfeatures.domain.errors import FatalError
from txfeatures.process.clock import ManualClock


def lease(bucket: MemoryBucket, owner: str) -> Lease:
    return Lease(bucket, bucket.clock, owner)


def test_a_second_compaction_is_kept_out_and_told_until_when() -> None:
    bucket = MemoryBucket(clock=ManualClock(1_729_335_000.0))
    lease(bucket, "one").acquire()
    with pytest.raises(FatalError, match=r"one compacts this archive.*after 10:55:00 UTC"):
        lease(bucket, "two").acquire()


def test_the_lease_is_free_when_it_was_given_back() -> None:
    bucket = MemoryBucket()
    one = lease(bucket, "one")
    one.acquire()
    one.release()
    lease(bucket, "two").acquire()


def test_the_lease_of_a_dead_compaction_lapses() -> None:
    clock = ManualClock()
    bucket = MemoryBucket(clock=clock)
    one = lease(bucket, "one")
    one.acquire()
    clock.advance(LEASE_S)
    lease(bucket, "two").acquire()
    with pytest.raises(FatalError, match="two compacts"):
        one.renew()


def test_a_lease_is_prolonged_when_half_of_it_is_over() -> None:
    clock = ManualClock()
    bucket = MemoryBucket(clock=clock)
    one = lease(bucket, "one")
    one.acquire()
    first = bucket.objects[KEY]
    one.renew()
    assert bucket.objects[KEY] is first
    clock.advance(LEASE_S * 0.6)
    one.renew()
    clock.advance(LEASE_S * 0.6)
    with pytest.raises(FatalError):
        lease(bucket, "two").acquire()


def test_of_two_that_begin_at_once_one_gets_it() -> None:
    bucket = MemoryBucket()
    one, two = lease(bucket, "one"), lease(bucket, "two")

    def overtake(operation: str, _key: str) -> None:
        if operation == "put_if":
            bucket.before = lambda _operation, _key: None
            two.acquire()

    bucket.before = overtake
    with pytest.raises(S3UnavailableError):
        one.acquire()
    with pytest.raises(FatalError, match="two compacts"):
        one.acquire()


def test_an_answer_that_was_lost_is_made_good_by_taking_again() -> None:
    bucket = MemoryBucket()
    one = lease(bucket, "one")

    def lose(operation: str, _key: str) -> None:
        if operation == "put_if":
            bucket.after = lambda _operation, _key: None
            raise S3UnavailableError("ReadTimeoutError", "no answer")

    bucket.after = lose
    with pytest.raises(S3UnavailableError):
        one.acquire()
    one.acquire()
    one.renew()


def test_not_being_able_to_give_back_is_no_error() -> None:
    clock = ManualClock()
    bucket = MemoryBucket(clock=clock)
    one = lease(bucket, "one")
    one.acquire()
    clock.advance(LEASE_S)
    lease(bucket, "two").acquire()
    one.release()
    with pytest.raises(FatalError, match="two compacts"):
        lease(bucket, "three").acquire()
