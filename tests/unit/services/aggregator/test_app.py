import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from faust_microbatch import App
from faust_microbatch.testing import SentRecord, TestDriver
from structlog.testing import capture_logs

from tests.support.declared import DEFAULT, FEATURES
from txfeatures.domain import wire
from txfeatures.domain.features import INTEGRAL_MAX
from txfeatures.domain.model import Heartbeat, OutgoingRecord, Partial, PartitionUpdate, Record
from txfeatures.domain.rules import AggregatorRules
from txfeatures.process.metrics import Metrics
from txfeatures.process.settings import load
from txfeatures_aggregator import app as module
from txfeatures_aggregator.app import create_app
from txfeatures_aggregator.logic import FoldOutcome, Progress, fold
from txfeatures_aggregator.merge import merge
from txfeatures_aggregator.settings import Settings
from txfeatures_aggregator.state import Frontier

START_S = 1_729_296_000
START_MS = START_S * 1000
FOLDS, MERGED = "aggregator-folds-changelog", "aggregator-merged-changelog"
TOPICS = ("partials", "late", "deduped.dlq", "aggregated", FOLDS, MERGED)
HEADERS = (("traceparent", b"00"),)
DAY_MS = 24 * 3_600_000


def record(value: bytes | None, *, at_ms: int = START_MS + 7, offset: int = 0) -> Record:
    return Record(
        topic="deduped",
        partition=2,
        offset=offset,
        key=b"key",
        value=value,
        timestamp_ms=at_ms,
        headers=HEADERS,
    )


def tick(at_ms: int = START_MS + 7, *, fetched_at_ms: int | None = None) -> Record:
    polled = () if fetched_at_ms is None else wire.fetched_at(fetched_at_ms)
    headers = ((wire.TICK_HEADER, b"1"), *polled)
    return Record(
        topic="deduped",
        partition=2,
        offset=0,
        key=None,
        value=b"",
        timestamp_ms=at_ms,
        headers=headers,
    )


def tx(time: int, *, offset: int = 0) -> Record:
    value = {"hash": f"{offset:064x}", "time": time, "fee": 1}
    return record(json.dumps(value).encode(), offset=offset)


def folded(*records: Record) -> FoldOutcome:
    return fold(
        Progress(),
        {},
        records,
        partition=2,
        partitions=4,
        rules=AggregatorRules(),
        declaration=DEFAULT,
    )


def update(at_ms: int, *, fees: int = 1, minutes: tuple[int, ...] = (START_S,)) -> PartitionUpdate:
    [partial] = folded(tx(START_S)).changed.values()
    states = {name: fees if "fee" in name else state for name, state in partial.states.items()}
    return PartitionUpdate(
        partition=0,
        partitions=1,
        feed_time_ms=at_ms,
        watermark_s=at_ms // 1000 - 60,
        minutes={minute_s: Partial(states=states) for minute_s in minutes},
    )


def heartbeat(at_ms: int) -> Heartbeat:
    return Heartbeat(poller="a", poll_id=1, feed_time_ms=at_ms, outcome="ok")


def message(topic: str, value: bytes | None) -> Record:
    return Record(topic=topic, partition=0, offset=4, key=b"0", value=value, timestamp_ms=0)


def of_partials(*updates: PartitionUpdate) -> list[Record]:
    return [message("partials", wire.encode_update(update)) for update in updates]


Sent = dict[str, list[SentRecord]]
"""Records by topic."""


def work(driver: TestDriver, *records: Record) -> Sent:
    """Feed one batch; return what it has sent."""
    driver.feed(records[0].topic, records, partition=records[0].partition)
    return {topic: driver.read(topic) for topic in TOPICS}


def changes(batch: Sent, changelog: str) -> dict[bytes | None, bytes | None]:
    return {record.key: record.value for record in batch[changelog]}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("aggregator")


@pytest.fixture
def app(metrics: Metrics) -> App:
    created = create_app(load(Settings), partitions=4, metrics=metrics, declaration=DEFAULT)
    assert isinstance(created, App)
    return created


@pytest.fixture
def driver(app: App) -> Iterator[TestDriver]:
    with TestDriver(app) as driver:
        yield driver


def test_an_update_is_keyed_by_its_partition_and_has_the_clock_of_its_tick() -> None:
    [sent] = module.updates(folded(tx(START_S), tick()))
    assert (sent.topic, sent.key, sent.partition) == ("partials", b"2", None)
    assert sent.timestamp_ms == START_MS + 7
    assert list(wire.decode_update(sent.value).minutes) == [START_S]


@pytest.mark.parametrize(("time", "reason"), [(0, b"late"), (2**40, b"future")])
def test_what_is_not_counted_goes_byte_for_byte_to_late_with_the_reason(
    time: int, reason: bytes
) -> None:
    left = tx(time, offset=5)
    assert module.uncounted(folded(left)) == [
        OutgoingRecord(
            topic="late",
            key=left.key,
            value=left.value,
            timestamp_ms=left.timestamp_ms,
            headers=(*HEADERS, ("txf-reason", reason)),
        )
    ]


def test_a_row_is_keyed_by_its_minute_and_stamped_with_its_event_time() -> None:
    outcome = merge(
        Frontier(), {}, [update(START_MS + 1123)], rules=AggregatorRules(), declaration=DEFAULT
    )
    [sent] = module.rows(outcome, declaration=DEFAULT)
    assert (sent.topic, sent.key, sent.partition) == ("aggregated", b"2024-10-19 00:00:00", None)
    assert sent.timestamp_ms == START_MS + 1000
    assert wire.decode_row(sent.value, features=FEATURES) == outcome.rows[0].row


def test_updates_and_rows_say_when_the_oldest_poll_in_their_batch_was_answered(
    driver: TestDriver,
) -> None:
    ticks = [tick(fetched_at_ms=2002), tick(START_MS + 8, fetched_at_ms=1001)]
    updates = work(driver, tx(START_S), *ticks)["partials"]
    assert [update.headers for update in updates] == [wire.fetched_at(1001)] * 2
    [record] = of_partials(update(START_MS + 5000))
    later = replace(record, headers=wire.fetched_at(3003))
    earlier = replace(record, headers=wire.fetched_at(2002))
    [row] = work(driver, later, earlier)["aggregated"]
    assert wire.header(row.headers, wire.FETCHED_AT_HEADER) == b"2002"
    assert wire.header(row.headers, wire.DECLARATION_HEADER)


def test_without_the_times_of_polls_updates_and_rows_have_none(driver: TestDriver) -> None:
    [sent] = work(driver, tx(START_S), tick())["partials"]
    [row] = work(driver, *of_partials(update(START_MS + 5000)))["aggregated"]
    assert wire.header(sent.headers, wire.FETCHED_AT_HEADER) is None
    assert wire.header(row.headers, wire.FETCHED_AT_HEADER) is None


def test_messages_are_read_as_their_topic_says() -> None:
    beat, partial = heartbeat(START_MS), update(START_MS)
    [from_partials] = of_partials(partial)
    from_feed = message("feed", wire.encode_heartbeat(beat))
    assert module.messages([from_feed, from_partials]) == [beat, partial]


@pytest.mark.parametrize("topic", ["feed", "partials"])
@pytest.mark.parametrize("value", [None, b"", b"<html>", b"{}", b"[]"])
def test_a_message_that_can_not_be_read_is_passed_over_and_told(
    topic: str, value: bytes | None
) -> None:
    [partial] = of_partials(update(START_MS))
    with capture_logs() as logs:
        found = module.messages([message(topic, value), partial])
    assert found == [update(START_MS)]
    [log] = logs
    assert (log["event"], log["topic"], log["offset"]) == ("unreadable_record", topic, 4)


def test_a_fold_sends_what_it_has_from_the_partition_where_it_stood(
    driver: TestDriver, metrics: Metrics
) -> None:
    batch = work(
        driver, tx(START_S, offset=1), tx(0, offset=2), record(b"<html>", offset=3), tick()
    )
    [partial] = batch["partials"]
    assert (partial.partition, partial.key) == (None, b"2")
    [late] = batch["late"]
    assert (late.partition, wire.header(late.headers, "txf-reason")) == (2, b"late")
    [dead] = batch["deduped.dlq"]
    assert (dead.partition, dead.value) == (2, b"<html>")
    assert wire.header(dead.headers, "txf-reason") == b"not_json"
    value = metrics.registry.get_sample_value
    assert value("txf_aggregator_late_transactions_total", {"outcome": "late"}) == 1
    assert value("txf_aggregator_late_transactions_total", {"outcome": "counted"}) == 0
    assert value("txf_aggregator_dlq_records_total", {"reason": "not_json"}) == 1


def test_a_transaction_that_counts_although_its_minute_is_closed_is_counted_as_late(
    driver: TestDriver, metrics: Metrics
) -> None:
    work(driver, tx(START_S, offset=1), tick(START_MS + 300_000), tx(START_S, offset=2))
    value = metrics.registry.get_sample_value
    assert value("txf_aggregator_late_transactions_total", {"outcome": "counted"}) == 1


def test_a_fold_goes_on_from_what_earlier_batches_left_on_the_changelog(driver: TestDriver) -> None:
    first = work(driver, tx(START_S, offset=1))
    written = changes(first, FOLDS)
    assert written.keys() == {b"progress/0", f"partial/{START_S}".encode()}
    [told] = work(driver, tx(START_S, offset=2), tick())["partials"]
    [partial] = wire.decode_update(told.value).minutes.values()
    both = folded(tx(START_S, offset=1), tx(START_S, offset=2), tick()).changed
    assert partial == both[START_S]


def test_a_fold_deletes_what_takes_no_more_corrections(driver: TestDriver) -> None:
    work(driver, tx(START_S), tick())
    batch = work(driver, tick(START_MS + 2 * DAY_MS))
    assert changes(batch, FOLDS)[f"partial/{START_S}".encode()] is None


def test_partitions_fold_apart(driver: TestDriver) -> None:
    work(driver, tx(START_S))
    other = Record(
        topic="deduped",
        partition=3,
        offset=0,
        key=b"key",
        value=tx(START_S, offset=9).value,
        timestamp_ms=START_MS,
    )
    work(driver, other)
    key = f"partial/{START_S}".encode()
    assert driver.table("folds", 2)[key] == driver.table("folds", 3)[key]


def test_a_united_batch_sends_its_rows_and_remembers_them(
    driver: TestDriver, metrics: Metrics
) -> None:
    batch = work(driver, *of_partials(update(START_MS + 5000)))
    [row] = batch["aggregated"]
    assert (row.partition, row.key) == (None, b"2024-10-19 00:00:00")
    written = changes(batch, MERGED)
    assert written.keys() == {b"frontier/0", f"minute/{START_S}".encode()}
    value = metrics.registry.get_sample_value
    assert value("txf_aggregator_rows_total", {"kind": "provisional"}) == 1
    assert value("txf_aggregator_feed_time_seconds") == START_S + 5
    assert value("txf_aggregator_watermark_time_seconds") == START_S - 55


def test_both_topics_of_unite_share_what_is_remembered(driver: TestDriver) -> None:
    work(driver, message("feed", wire.encode_heartbeat(heartbeat(START_MS))))
    batch = work(driver, *of_partials(update(START_MS + 120_000, minutes=())))
    [row] = batch["aggregated"]
    assert row.key == b"2024-10-19 00:00:00"  # a minute without transactions, but with a feed
    assert wire.decode_row(row.value, features=FEATURES)["is_final"] == 1


def test_a_batch_that_changes_nothing_writes_nothing(driver: TestDriver) -> None:
    work(driver, *of_partials(update(START_MS)))
    batch = work(driver, *of_partials(update(START_MS)))
    assert (batch["aggregated"], changes(batch, MERGED)) == ([], {})


def test_a_row_that_needs_more_than_64_bits_is_withheld_and_told(
    driver: TestDriver, metrics: Metrics
) -> None:
    with capture_logs() as logs:
        batch = work(driver, *of_partials(update(START_MS, fees=INTEGRAL_MAX + 1)))
    assert batch["aggregated"] == []
    assert [log["event"] for log in logs] == ["row_withheld"]
    assert metrics.registry.get_sample_value("txf_aggregator_overflows_total") == 1


def test_the_first_stage_is_as_wide_as_its_topic_and_the_second_is_one(app: App) -> None:
    assert {name: table.partitions for name, table in app.tables.items()} == {
        "folds": 4,
        "merged": 1,
    }
    topics = {agent.channel.topics for agent in app.agents.values()}
    assert topics == {("deduped",), ("partials", "feed")}


def test_every_record_of_a_fold_is_accounted_for(driver: TestDriver, metrics: Metrics) -> None:
    work(driver, tx(START_S, offset=1), tx(0, offset=2), record(b"<html>", offset=3), tick())
    value = metrics.registry.get_sample_value
    assert value("txf_aggregator_folded_transactions_total") == 1
    assert value("txf_aggregator_ticks_total") == 1
    clock_s = value("txf_aggregator_partition_time_seconds", {"partition": "2"})
    assert clock_s == (START_MS + 7) / 1000


def test_a_restart_folds_and_merges_on(driver: TestDriver) -> None:
    work(driver, tx(START_S, offset=1))
    work(driver, *of_partials(update(START_MS + 5000)))
    driver.restart()
    [told] = work(driver, tx(START_S, offset=2), tick())["partials"]
    [partial] = wire.decode_update(told.value).minutes.values()
    both = folded(tx(START_S, offset=1), tx(START_S, offset=2), tick()).changed
    assert partial == both[START_S]
    assert work(driver, *of_partials(update(START_MS + 5000)))["aggregated"] == []
