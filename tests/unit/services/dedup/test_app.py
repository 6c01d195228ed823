from collections.abc import Iterator
from typing import Any

import pytest
from faust_microbatch import App
from faust_microbatch.testing import SentRecord, TestDriver

from txfeatures.domain import wire
from txfeatures.domain.model import Record
from txfeatures.process.metrics import Metrics
from txfeatures.process.settings import load
from txfeatures_dedup import app as module
from txfeatures_dedup.app import create_app
from txfeatures_dedup.settings import Settings

A, B = b"ab" * 32, b"cd" * 32
A_REMEMBERED = b"\xab" * 31
REMEMBER_MS = 80_000
FORGET_MS = 90_000  # of what is seen at 0, ..., 9_999
REMOVE_MS = FORGET_MS + REMEMBER_MS // 8
CHANGELOG = "dedup-seen-changelog"

Sent = dict[str, list[SentRecord]]
"""Records by topic."""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("dedup")


@pytest.fixture
def app(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setenv("TXF_DEDUP_REMEMBER_S", str(REMEMBER_MS // 1000))
    created = create_app(load(Settings), partitions=4, metrics=metrics)
    assert isinstance(created, App)
    return created


@pytest.fixture
def driver(app: App) -> Iterator[TestDriver]:
    with TestDriver(app) as driver:
        yield driver


def record(
    key: bytes | None,
    timestamp_ms: int = 5,
    *,
    partition: int = 3,
    headers: tuple[tuple[str, bytes], ...] = (),
) -> Record:
    return Record(
        topic="raw",
        partition=partition,
        offset=9,
        key=key,
        value=b"\xff" if key else b"",
        timestamp_ms=timestamp_ms,
        headers=headers,
    )


def tick(timestamp_ms: int) -> Record:
    return record(None, timestamp_ms, headers=((wire.TICK_HEADER, b"1"),))


def work(driver: TestDriver, *records: Record) -> Sent:
    """Feed one batch; return what it has sent."""
    driver.feed("raw", records, partition=records[0].partition)
    return {topic: driver.read(topic) for topic in ("deduped", "raw.dlq", CHANGELOG)}


def sent(batch: Sent, topic: str) -> list[tuple[Any, ...]]:
    return [
        (record.partition, record.key, record.value, record.timestamp_ms, list(record.headers))
        for record in batch[topic]
    ]


def changes(batch: Sent) -> dict[bytes | None, bytes | None]:
    """Return what was written of hashes."""
    changed = {record.key: record.value for record in batch[CHANGELOG]}
    changed.pop(module.CLOCK, None)
    return changed


def test_what_goes_on_goes_byte_for_byte_to_the_same_partition_with_the_same_clock(
    driver: TestDriver,
) -> None:
    headers = (("traceparent", b"00"),)
    batch = work(driver, record(A, headers=headers), tick(6), record(A, 7), record(B, 8))
    assert sent(batch, "deduped") == [
        (3, A, b"\xff", 5, [("traceparent", b"00")]),
        (3, None, b"", 6, [(wire.TICK_HEADER, b"1")]),
        (3, B, b"\xff", 8, []),
    ]
    assert sent(batch, "raw.dlq") == []


def test_a_first_sighting_and_what_is_remembered_of_it_are_of_one_batch(driver: TestDriver) -> None:
    batch = work(driver, record(A))
    assert changes(batch) == {A_REMEMBERED: FORGET_MS.to_bytes(8, "big")}


def test_a_repeat_in_a_later_batch_is_dropped_writes_nothing_and_is_counted(
    driver: TestDriver, metrics: Metrics
) -> None:
    work(driver, record(A), record(B))
    batch = work(driver, record(A, FORGET_MS - 1))
    assert (sent(batch, "deduped"), changes(batch)) == ([], {})
    value = metrics.registry.get_sample_value
    assert value("txf_dedup_duplicates_total") == 1
    assert value("txf_dedup_remembered_hashes", {"partition": "3"}) == 2


def test_partitions_do_not_share_what_they_remember(driver: TestDriver) -> None:
    work(driver, record(A, partition=0))
    batch = work(driver, record(A, partition=1))
    assert [partition for partition, *_ in sent(batch, "deduped")] == [1]


def test_the_time_of_a_dead_letter_makes_nothing_forgotten(driver: TestDriver) -> None:
    work(driver, record(A, 5))
    batch = work(driver, record(b"no hash", 253_402_300_799_000))
    assert len(sent(batch, "raw.dlq")) == 1
    assert batch[CHANGELOG] == []
    assert sent(work(driver, record(A, 6)), "deduped") == []


def test_the_clock_of_a_partition_goes_on_after_a_restart(driver: TestDriver) -> None:
    work(driver, record(A, 5), tick(9))
    driver.restart()
    [forwarded] = sent(work(driver, record(B, 7)), "deduped")
    assert forwarded[3] == 10


def test_what_is_due_is_forgotten_with_a_tombstone_and_counts_as_new_again(
    driver: TestDriver, metrics: Metrics
) -> None:
    work(driver, record(A), record(B, 10_000))
    batch = work(driver, tick(REMOVE_MS))
    assert changes(batch) == {A_REMEMBERED: None}
    value = metrics.registry.get_sample_value
    assert value("txf_dedup_remembered_hashes", {"partition": "3"}) == 1
    assert len(sent(work(driver, record(A, FORGET_MS)), "deduped")) == 1


def test_nothing_is_removed_while_a_record_whose_clock_is_behind_may_ask_for_it(
    driver: TestDriver,
) -> None:
    work(driver, record(A))
    assert changes(work(driver, tick(REMOVE_MS - 1))) == {}
    assert changes(work(driver, tick(6), tick(2 * REMOVE_MS), tick(7))) == {}
    assert changes(work(driver, tick(REMOVE_MS))) == {A_REMEMBERED: None}


def test_a_sighting_after_the_time_to_forget_is_remembered_anew_and_not_removed(
    driver: TestDriver,
) -> None:
    work(driver, record(A))
    batch = work(driver, record(A, FORGET_MS))
    assert changes(batch) == {A_REMEMBERED: (180_000).to_bytes(8, "big")}


def test_few_are_forgotten_with_one_batch(
    driver: TestDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FORGOTTEN_AT_A_TIME", 2)
    work(driver, *[record(f"{number:02x}".encode() * 32) for number in range(4)])
    assert [len(changes(work(driver, tick(REMOVE_MS)))) for _ in range(3)] == [2, 2, 0]


def test_a_bad_key_goes_to_the_dead_letters_with_the_reason(
    driver: TestDriver, metrics: Metrics
) -> None:
    batch = work(driver, record(b"xyz"), record(A))
    [(*letter, headers)] = sent(batch, "raw.dlq")
    assert letter == [3, b"xyz", b"\xff", 5]
    assert wire.header(headers, "txf-reason") == b"bad_key"
    assert len(sent(batch, "deduped")) == 1
    value = metrics.registry.get_sample_value
    assert value("txf_dedup_dlq_records_total", {"reason": "bad_key"}) == 1


def test_a_clock_of_any_date_does_not_stop_it(driver: TestDriver) -> None:
    latest_ms = 2**63 - 1  # the latest that Kafka takes
    batch = work(driver, record(A, latest_ms))
    assert len(sent(batch, "deduped")) == 1
    assert sent(work(driver, record(A, latest_ms)), "deduped") == []


def test_its_tables_are_as_many_as_the_partitions_of_its_topic(app: App) -> None:
    assert app.tables["seen"].partitions == 4
    assert [agent.channel.topics for agent in app.agents.values()] == [("raw",)]


def test_a_partition_tells_the_feed_clock_it_has_reached(
    driver: TestDriver, metrics: Metrics
) -> None:
    work(driver, record(A, 5_000), tick(7_500))
    value = metrics.registry.get_sample_value
    assert value("txf_dedup_partition_time_seconds", {"partition": "3"}) == 7.5


def test_a_restart_remembers_what_was_seen(driver: TestDriver) -> None:
    work(driver, record(A), record(B, partition=3))
    driver.restart()
    assert sent(work(driver, record(A, 6), record(B, 6)), "deduped") == []
    assert changes(work(driver, tick(REMOVE_MS))) == {A_REMEMBERED: None, b"\xcd" * 31: None}
