import os
import tracemalloc

import pytest

from txfeatures.microbatch import DictStore, ExpiringStore

WIDTH = 32
HOUR_MS = 3_600_000


def key(number: int) -> bytes:
    return number.to_bytes(WIDTH)


def expiring() -> ExpiringStore:
    return ExpiringStore(key_bytes=WIDTH, bucket_ms=HOUR_MS)


def test_a_dict_store_is_restored_from_its_changelog() -> None:
    store = DictStore()
    store.restore([(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None), (b"c", None)])
    assert store == {b"a": b"3"}
    assert store.decode(store.encode(b"x")) == b"x"
    store.discard([b"a", b"never there"])
    assert not store


def test_an_expiring_store_is_a_mapping_of_keys_to_exact_times() -> None:
    store = expiring()
    store.update({key(1): 10, key(2): HOUR_MS + 10})
    assert (store[key(1)], store.get(key(2)), store.get(key(3))) == (10, HOUR_MS + 10, None)
    assert key(1) in store
    assert key(3) not in store
    assert sorted(store) == [key(1), key(2)]
    del store[key(1)]
    with pytest.raises(KeyError):
        store[key(1)]
    with pytest.raises(KeyError):
        del store[key(1)]
    assert len(store) == 1


def test_a_key_that_comes_again_has_its_new_time_and_is_there_once() -> None:
    store = expiring()
    store[key(1)] = 10
    store[key(1)] = 5 * HOUR_MS
    assert len(store) == 1
    assert store.expire(2 * HOUR_MS) == []
    assert store[key(1)] == 5 * HOUR_MS


def test_keys_expire_with_their_bucket_not_before() -> None:
    store = expiring()
    store.update({key(1): 10, key(2): HOUR_MS - 1, key(3): HOUR_MS})
    assert store.expire(HOUR_MS - 1) == []
    assert sorted(store.expire(HOUR_MS)) == [key(1), key(2)]
    assert list(store) == [key(3)]


def test_an_expiring_store_is_restored_from_its_changelog() -> None:
    store = expiring()
    store.restore([(key(1), store.encode(7)), (key(2), store.encode(8)), (key(1), None)])
    assert dict(store) == {key(2): 8}
    store.discard([key(2), key(9)])
    assert len(store) == 0
    assert store.decode(store.encode(2**60)) == 2**60


def test_a_key_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="must have 32 bytes, not 3"):
        expiring().update({b"abc": 1})


@pytest.mark.parametrize("buckets", [1, 4])
def test_a_key_of_32_bytes_takes_at_most_120_bytes_of_memory(buckets: int) -> None:
    keys = 300_000
    tracemalloc.start()
    try:
        store = expiring()
        for first in range(0, keys, 1000):
            time_ms = first * buckets * HOUR_MS // keys
            store.update(dict.fromkeys((os.urandom(WIDTH) for _ in range(1000)), time_ms))
        used_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(store) == keys
    assert used_bytes / keys <= 120
