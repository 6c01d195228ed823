import pytest

from faust_microbatch import DictStore, MicrobatchError
from faust_microbatch.engine.recovery import Restoration
from microbatch_support.apps import a_batch, agent_at_work, an_app


class Numbers(DictStore):
    """A store of its own kind."""


def test_a_tables_part_writes_its_store_and_the_batchs_outbox() -> None:
    table = an_app().Table("seen", partitions=2)
    table.renew([0, 1])
    work = a_batch(partition=1)
    part = table.of(work)
    part.put({b"a": b"1", b"b": b"2"})
    part[b"c"] = b"3"
    part.remove([b"b", b"never there"])
    del part[b"c"]
    part.put({})
    part.remove([])
    assert dict(part) == {b"a": b"1"}
    assert b"a" in part
    assert len(part) == 1
    assert len(table.of(a_batch(partition=0))) == 0
    assert work.outbox.changes == [
        ("test-seen-changelog", 1, {b"a": b"1", b"b": b"2"}),
        ("test-seen-changelog", 1, {b"c": b"3"}),
        ("test-seen-changelog", 1, {b"b": None, b"never there": None}),
        ("test-seen-changelog", 1, {b"c": None}),
    ]
    with pytest.raises(KeyError):
        del part[b"c"]


def test_a_table_without_the_batchs_partition_is_one_sentence() -> None:
    made = an_app()
    table = made.Table("seen", partitions=2)
    table.renew([0, 1, 2])
    with pytest.raises(MicrobatchError, match="table seen has no partition 2, but in has"):
        table.of(a_batch(partition=2))
    with (
        agent_at_work(made, a_batch(partition=2)),
        pytest.raises(MicrobatchError, match="table seen has no partition 2"),
    ):
        table[b"a"] = b"1"


def test_fausts_own_table_calls_go_to_the_partition_of_the_batch() -> None:
    made = an_app()
    table = made.Table("seen", partitions=2)
    table.renew([0, 1])
    work = a_batch(partition=1)
    with agent_at_work(made, work):
        table[b"a"] = b"1"
        assert table[b"a"] == b"1"
        assert table.get(b"b") is None
        del table[b"a"]
    assert work.outbox.changes == [
        ("test-seen-changelog", 1, {b"a": b"1"}),
        ("test-seen-changelog", 1, {b"a": None}),
    ]
    assert table.data.by_number[0] == {}


def test_nothing_is_written_outside_of_an_agent() -> None:
    table = an_app().Table("seen", partitions=1)
    with pytest.raises(RuntimeError, match="while an agent works on a batch"):
        table[b"a"] = b"1"


def test_renewing_makes_a_store_for_each_partition_and_names_its_changelog() -> None:
    table = an_app().Table("seen", partitions=2, partition_store=Numbers)
    restorations = table.renew([1, 0])
    assert [each.changelog for each in restorations] == [
        ("test-seen-changelog", 0),
        ("test-seen-changelog", 1),
    ]
    assert [type(each.store) for each in restorations] == [Numbers, Numbers]
    assert [each.store for each in restorations] == list(table.data.by_number.values())


def test_renewing_drops_what_is_not_kept() -> None:
    made = an_app()
    small, large = made.Table("small", partitions=1), made.Table("large", partitions=4)
    made.tables.renew([0, 1, 2], kept=set())  # type: ignore[attr-defined]
    kept = large.data.by_number[1]
    found: list[Restoration] = made.tables.renew([3], kept={1})  # type: ignore[attr-defined]
    assert [each.changelog for each in found] == [("test-large-changelog", 3)]
    assert large.data.by_number[1] is kept
    assert set(large.data.by_number) == {1, 3}
    assert set(small.data.by_number) == set()


def test_a_table_that_is_made_anew_has_the_same_store() -> None:
    table = an_app().Table("seen", partitions=1, partition_store=Numbers)
    assert table.info()["partition_store"] is Numbers
