import pytest

from featurestore_local.model import OnlineStore, Record, Ttl


def record(event_time_ns: int, **changes: object) -> Record:
    settings: dict[str, object] = {"record_id": "a", "values": {"id": "a", "count": "1"}}
    return Record(event_time_ns=event_time_ns, **(settings | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("event_time_ns", "is_kept"), [(9, False), (10, False), (11, True)])
def test_only_a_strictly_newer_record_is_kept(event_time_ns: int, is_kept: bool) -> None:
    store = OnlineStore()
    store.put(record(10))
    assert store.put(record(event_time_ns)) is is_kept
    assert store.get("a") == record(event_time_ns if is_kept else 10)


def test_a_tombstone_outranks_older_records() -> None:
    store = OnlineStore()
    store.put(record(10, is_deleted=True))
    assert not store.put(record(9))


def test_a_removed_record_leaves_no_trace() -> None:
    store = OnlineStore()
    store.put(record(10))
    store.remove("a")
    store.remove("a")
    assert list(store) == []
    assert store.put(record(1))


def test_a_record_can_be_replaced_by_an_older_one_on_purpose() -> None:
    store = OnlineStore()
    store.put(record(10))
    store.replace(record(10, values={"id": "a"}))
    assert store.get("a") == record(10, values={"id": "a"})


def test_readers_see_neither_the_deleted_nor_the_expired() -> None:
    assert record(10, expires_at_ns=20).is_readable(19)
    assert not record(10, expires_at_ns=20).is_readable(20)
    assert not record(10, is_deleted=True).is_readable(11)


def test_values_can_be_restricted_to_names() -> None:
    assert record(1).only([]) == {"id": "a", "count": "1"}
    assert record(1).only(["count", "absent"]) == {"count": "1"}


def test_a_ttl_counts_in_its_unit() -> None:
    assert Ttl(unit="Weeks", value=2).duration_s == 14 * 86_400
