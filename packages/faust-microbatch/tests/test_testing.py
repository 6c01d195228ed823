import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest

from faust_microbatch import App, Batch, Change, MicrobatchError, Outgoing, Record, Store
from faust_microbatch.testing import SentRecord, TestDriver, batch_of
from microbatch_support.apps import an_app

CHANGELOG = "test-counts-changelog"


def keys(*names: bytes) -> list[Outgoing]:
    return [Outgoing(name, b"v", 7, [("h", b"1")]) for name in names]


def counting_app() -> App:
    """Return an app that counts keys and sends each count; it fails on ``bad``, half done."""
    app = an_app()
    counts = app.Table("counts", partitions=4)

    @app.agent(app.topic("in"))
    async def count(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            table = counts.of(batch)
            for record in batch.records:
                key = record.key or b""
                table[key] = b"%d" % (int(table.get(key, b"0")) + 1)
                batch.send("out", [Outgoing(key, table[key])], partition=batch.partition)
                if key == b"bad":
                    raise ValueError("an agent's mistake")

    return app


@pytest.fixture
def driver() -> Iterator[TestDriver]:
    with TestDriver(counting_app()) as driver:
        yield driver


def values(driver: TestDriver, topic: str = "out") -> list[bytes | None]:
    return [record.value for record in driver.read(topic)]


def test_outputs_and_changes_of_a_batch_are_read_once_and_in_order(driver: TestDriver) -> None:
    driver.feed("in", keys(b"a", b"b", b"a"), partition=3)
    assert driver.read("out") == [
        SentRecord(topic="out", partition=3, key=key, value=value)
        for key, value in [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]
    ]
    assert driver.read("out") == []
    assert [(r.partition, r.key, r.value) for r in driver.read(CHANGELOG)] == [
        (3, b"a", b"1"),
        (3, b"b", b"1"),
        (3, b"a", b"2"),
    ]
    assert driver.table("counts", 3) == {b"a": b"2", b"b": b"1"}


def test_an_agent_gets_records_as_they_were_fed_at_consecutive_offsets() -> None:
    app = an_app()
    seen: list[Record] = []

    @app.agent(app.topic("in"))
    async def note(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            seen.extend(batch.records)
            batch.send("out", batch.records)

    with TestDriver(app) as driver:
        driver.feed("in", keys(b"a"), partition=1)
        driver.feed("in", keys(b"b"), partition=1)
        driver.feed("in", keys(b"c"), partition=2)
        sent = driver.read("out")
        assert [(r.partition, r.key, r.timestamp_ms, r.headers) for r in sent] == [
            (None, key, 7, (("h", b"1"),)) for key in (b"a", b"b", b"c")
        ]
    assert [(r.topic, r.partition, r.offset, r.key) for r in seen] == [
        ("in", 1, 0, b"a"),
        ("in", 1, 1, b"b"),
        ("in", 2, 0, b"c"),
    ]


def test_partitions_have_tables_of_their_own(driver: TestDriver) -> None:
    driver.feed("in", keys(b"a"), partition=0)
    driver.feed("in", keys(b"a"), partition=1)
    assert values(driver) == [b"1", b"1"]
    assert driver.table("counts", 0) == driver.table("counts", 1) == {b"a": b"1"}
    assert driver.table("counts", 2) == {}


def test_offsets_are_committed_with_their_batch(driver: TestDriver) -> None:
    assert driver.committed("in") is None
    driver.feed("in", keys(b"a", b"b"))
    driver.feed("in", keys(b"a"))
    assert driver.committed("in") == 3
    assert driver.committed("in", 1) is None


def test_a_restart_restores_the_tables_from_the_changelog(driver: TestDriver) -> None:
    driver.feed("in", keys(b"a", b"a"), partition=1)
    before = driver.table("counts", 1)
    driver.restart()
    assert driver.table("counts", 1) == {b"a": b"2"}
    assert driver.table("counts", 1) is not before
    driver.read("out")
    driver.feed("in", keys(b"a"), partition=1)
    assert values(driver) == [b"3"]
    assert driver.committed("in", 1) == 3


def test_another_app_can_take_over_from_what_was_committed(driver: TestDriver) -> None:
    driver.feed("in", keys(b"a"))
    driver.restart(counting_app())
    driver.feed("in", keys(b"a"))
    assert values(driver) == [b"1", b"2"]


def test_an_agents_error_is_raised_and_nothing_of_its_batch_is_committed(
    driver: TestDriver,
) -> None:
    driver.feed("in", keys(b"a"))
    with pytest.raises(ValueError, match="an agent's mistake"):
        driver.feed("in", keys(b"a", b"bad"))
    assert values(driver) == [b"1"]
    assert len(driver.read(CHANGELOG)) == 1
    assert driver.committed("in") == 1


def test_after_an_error_a_restart_is_needed_and_begins_at_what_was_committed(
    driver: TestDriver,
) -> None:
    driver.feed("in", keys(b"a"))
    with pytest.raises(ValueError, match="an agent's mistake"):
        driver.feed("in", keys(b"a", b"bad"))
    with pytest.raises(MicrobatchError, match="restart the driver"):
        driver.feed("in", keys(b"a"))
    driver.restart()
    assert driver.table("counts") == {b"a": b"1"}
    driver.feed("in", keys(b"a"))
    assert values(driver) == [b"1", b"2"]


@pytest.mark.parametrize("leaves_by", ["break", "return"])
def test_a_batch_that_an_agent_leaves_is_an_error(leaves_by: str) -> None:
    app = an_app()

    @app.agent(app.topic("in"))
    async def leave(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            batch.send("out", batch.records)
            if leaves_by == "break":
                break
            return
        await asyncio.Event().wait()

    with TestDriver(app) as driver:
        with pytest.raises(MicrobatchError, match=r"unfinished|finished <Batch"):
            driver.feed("in", keys(b"a"))
        assert driver.read("out") == []


def test_all_agents_on_a_topic_work_on_a_batch_and_share_their_tables() -> None:
    app = an_app()
    table = app.Table("counts", partitions=1)

    @app.agent(app.topic("in"))
    async def write(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            table.of(batch)[b"batches"] = b"%d" % batch.next_offset
            batch.send("first", batch.records)

    @app.agent(app.topic("in", "other"))
    async def read(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            await asyncio.sleep(0)
            batch.send("second", [Outgoing(value=table.of(batch)[b"batches"])])

    with TestDriver(app) as driver:
        driver.feed("in", keys(b"a", b"b"))
        driver.feed("other", keys(b"c"))
        assert len(driver.read("first")) == 2
        assert values(driver, "second") == [b"2", b"2"]
        driver.restart()
        driver.feed("other", keys(b"c"))
        assert (values(driver, "first"), values(driver, "second")) == ([], [b"2"])


def test_fausts_per_record_calls_work_too() -> None:
    app = an_app()
    table, out = app.Table("counts", partitions=1), app.topic("out")

    @app.agent(app.topic("in"))
    async def count(stream: Any) -> None:
        async for batch in stream:
            table[b"n"] = b"%d" % (int(table.get(b"n", b"0")) + len(batch))
            await out.send(key=b"n", value=table[b"n"])

    with TestDriver(app) as driver:
        driver.feed("in", keys(b"a", b"b"))
        driver.feed("in", keys(b"a"))
        assert values(driver) == [b"2", b"3"]
        assert driver.table("counts") == {b"n": b"3"}


def test_a_topic_that_no_agent_reads_is_refused(driver: TestDriver) -> None:
    with pytest.raises(MicrobatchError, match="no agent reads nowhere"):
        driver.feed("nowhere", keys(b"a"))
    driver.feed("in", keys(b"a"))  # the driver is as good as before


def test_a_batch_starts_at_its_offset_and_is_never_empty() -> None:
    batch = batch_of("in", keys(b"a", b"b"), partition=2, offset=5)
    assert (batch.source, batch.start, batch.next_offset) == (("in", 2), 5, 7)
    assert [record.offset for record in batch.records] == [5, 6]
    with pytest.raises(ValueError, match="at least one record"):
        batch_of("in", [])


def test_pytest_does_not_collect_the_driver() -> None:
    assert TestDriver.__test__ is False


class Lengths(Store[int]):
    """A store of numbers, made of public names alone."""

    def __init__(self) -> None:
        self._lengths: dict[bytes, int] = {}

    def __getitem__(self, key: bytes) -> int:
        return self._lengths[key]

    def __setitem__(self, key: bytes, value: int) -> None:
        self._lengths[key] = value

    def __delitem__(self, key: bytes) -> None:
        del self._lengths[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._lengths)

    def __len__(self) -> int:
        return len(self._lengths)

    def encode(self, value: int) -> bytes:
        return b"%d" % value

    def decode(self, data: bytes) -> int:
        return int(data)


class Forgetful(Lengths):
    """A store that is restored without its tombstones."""

    def restore(self, changes: Iterable[Change]) -> None:
        super().restore((key, data) for key, data in changes if data is not None)


@pytest.mark.parametrize(("store", "is_sound"), [(Lengths, True), (Forgetful, False)])
def test_a_restart_shows_whether_a_store_is_restored_as_it_was(
    store: type[Lengths], is_sound: bool
) -> None:
    app = an_app()
    lengths = app.Table("counts", partitions=1, partition_store=store)

    @app.agent(app.topic("in"))
    async def measure(stream: AsyncIterator[Batch]) -> None:
        async for batch in stream:
            table = lengths.of(batch)
            sizes = {r.key or b"": len(r.value) for r in batch.records if r.value}
            table.put(sizes)
            table.remove(r.key or b"" for r in batch.records if not r.value)

    with TestDriver(app) as driver:
        driver.feed("in", [Outgoing(b"a", b"123"), Outgoing(b"b", b"1")])
        driver.feed("in", [Outgoing(b"b", None)])
        assert [(r.key, r.value) for r in driver.read(CHANGELOG)] == [
            (b"a", b"3"),
            (b"b", b"1"),
            (b"b", None),
        ]
        before = dict(driver.table("counts"))
        driver.restart()
        assert (dict(driver.table("counts")) == before) is is_sound
