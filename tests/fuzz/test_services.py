"""The records that dedup, the aggregator, fs_writer and `dlq` read, through their pure steps."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.material import (
    HEADERS,
    HEADERS_OR_NONE,
    json_of,
    logs,
    transaction_texts,
    transactions,
)
from tests.support.declared import DEFAULT, EMPTY, FEATURES, row
from txfeatures.archive import schema
from txfeatures.dead_letters import view
from txfeatures.dead_letters.letter import MARK_HEADER, SOURCES, Letter, marked_offset, revive
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import (
    MILLI,
    Heartbeat,
    KafkaRecord,
    OutgoingRecord,
    Partial,
    PartitionUpdate,
    Record,
)
from txfeatures.domain.rules import Rules
from txfeatures.domain.topics import AGGREGATED, DEDUPED, FEED, MAX_RECORD_BYTES, PARTIALS, RAW
from txfeatures.feature_store.codec import TableFormat
from txfeatures.kafka.streaming import StructTable
from txfeatures_aggregator import app as aggregator
from txfeatures_aggregator.logic import Progress, fold
from txfeatures_aggregator.merge import merge
from txfeatures_aggregator.state import Frontier, Minute
from txfeatures_dedup.logic import dedup
from txfeatures_dedup.seen import Seen
from txfeatures_fs_writer.logic import CutRules, Cutter, calls, plan

RULES = Rules()
FORMATS: tuple[TableFormat, ...] = ("glue", "iceberg")
ADDED_BYTES = 4096
"""Room in a record for the headers of its dead letter."""

MARKS = st.one_of(
    st.sampled_from([b"17", b"9" * 19, b"9" * 5000, b"-1", b"\xb2", b""]).map(
        lambda offset: ((MARK_HEADER, offset),)
    ),
    HEADERS,
)

HEARTBEATS = [
    {"poller": "a", "poll_id": 1, "feed_time_ms": 1_729_334_970_000, "outcome": outcome, "gap": gap}
    for outcome in ("ok", "timeout")
    for gap in (False, True)
]
PARTIAL = {
    "states": {"total_nb_trx_1min": 2, "total_fee_1min": 5},
    "sketches": {"fee_rates": {"7": 2}},
}
UPDATES = [
    {"partition": partition, "partitions": 2, "feed_time_ms": 1_729_334_970_000 + 70_000 * later,
     "watermark_s": 1_729_334_910 + 70 * later, "minutes": {"1729334880": PARTIAL}}
    for partition in (0, 1)
    for later in (0, 1, 3)
]  # fmt: skip
ROWS = [
    row(EMPTY, minute_s=1_729_334_940 + 60 * number, event_time_ms=1_729_334_999_000 + number,
        revision=revision, is_final=revision > 1, gaps=0)
    for number in (0, 1)
    for revision in (1, 2, 3)
]  # fmt: skip


UNDATED = [wire.encode_row({**ROWS[0], "event_time": event_time_s})
           for event_time_s in (-1.0, 253_402_300_800.0, 1e300)]  # fmt: skip


def judge_letters(dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]) -> set[str]:
    """Look at dead letters as their topic takes them and `dlq` shows them."""
    for record, error in dead:
        letter = wire.dead_letter(record, error)
        assert (letter.key, letter.value) == (record.key, record.value)
        added = letter.headers[len(record.headers) :]
        assert sum(len(name) + len(value or b"") for name, value in added) < ADDED_BYTES
        assert wire.header(letter.headers, wire.REASON_HEADER) == error.reason.encode()
    return {f"dead: {error.reason}" for _, error in dead}


@fuzz(
    st.lists(logs(RAW, transaction_texts(), headers=HEADERS_OR_NONE), min_size=1, max_size=3),
    reaches=["forwarded", "duplicate", "dead: bad_key"],
)
def test_dedup_forwards_drops_or_buries_each_record(batches: list[list[Record]]) -> set[str]:
    seen, outcomes = Seen(), set()
    for batch in batches:
        outcome = dedup(seen, batch, remember_ms=RULES.remember_s * MILLI)
        assert len(outcome.forwarded) + outcome.duplicates + len(outcome.dead) == len(batch)
        restored = Seen()
        restored.restore((key, seen.encode(value)) for key, value in outcome.sightings.items())
        assert dict(restored) == dict(outcome.sightings)
        seen.update(outcome.sightings)
        seen.discard(seen.forgotten(batch[0].timestamp_ms, 10))
        outcomes |= judge_letters(outcome.dead)
        outcomes |= {"forwarded"} if outcome.forwarded else set()
        outcomes |= {"duplicate"} if outcome.duplicates else set()
    return outcomes


@fuzz(
    st.lists(logs(DEDUPED, transaction_texts(), headers=HEADERS_OR_NONE), min_size=1, max_size=3),
    reaches=["counted", "late", "future", "a row", "dead: not_json", "dead: empty"],
)
def test_the_aggregator_counts_sets_aside_or_buries_each_record(
    batches: list[list[Record]],
) -> set[str]:
    table: dict[bytes, bytes] = {}
    partials = StructTable(table, Partial, "partial/")
    progresses = StructTable(table, Progress, "progress/")
    outcomes: set[str] = set()
    sent: list[OutgoingRecord] = []
    for batch in batches:
        outcome = fold(
            progresses.get(0) or Progress(),
            partials,
            batch,
            partition=1,
            partitions=2,
            rules=RULES,
            declaration=DEFAULT,
        )
        ticks = sum(wire.is_tick(record) for record in batch)
        done = outcome.folded + len(outcome.uncounted) + len(outcome.dead) + ticks
        assert done == len(batch)
        partials.update(outcome.changed)
        progresses[0] = outcome.progress
        sent += aggregator.updates(outcome)
        assert len(aggregator.uncounted(outcome)) == len(outcome.uncounted)
        outcomes |= judge_letters(outcome.dead) | {reason for _, reason in outcome.uncounted}
        outcomes |= {"counted"} if outcome.folded else set()
    updates = [wire.decode_update(record.value) for record in sent]
    both = [update for each in updates for update in (each, other_partition(each))]
    return outcomes | judge_merge(both)


def other_partition(update: PartitionUpdate) -> PartitionUpdate:
    return PartitionUpdate(
        partition=0,
        partitions=update.partitions,
        feed_time_ms=update.feed_time_ms,
        known_ms=update.known_ms,
        watermark_s=update.watermark_s,
        moved_ms=update.moved_ms,
        minutes={},
    )


def judge_row(sent: OutgoingRecord) -> set[str]:
    try:
        assert wire.decode_row(sent.value, FEATURES)
    except InvalidMessageError as error:
        reason = error.reason
    else:
        return {"a row"}
    assert reason == "bad_event_time"  # a clock without a date: fs_writer buries it
    return set()


def judge_merge(messages: Sequence[PartitionUpdate | Heartbeat]) -> set[str]:
    table: dict[bytes, bytes] = {}
    minutes, frontiers = StructTable(table, Minute, "minute/"), StructTable(table, Frontier, "f/")
    outcomes: set[str] = set()
    for message in messages:
        outcome = merge(
            frontiers.get(0) or Frontier(), minutes, [message], rules=RULES, declaration=DEFAULT
        )
        minutes.update(outcome.changed)
        frontiers[0] = outcome.frontier
        for sent in aggregator.rows(outcome, DEFAULT):
            outcomes |= judge_row(sent)
    return outcomes


@fuzz(
    st.lists(
        st.one_of(
            logs(FEED, json_of(HEARTBEATS), max_size=4),
            logs(PARTIALS, json_of(UPDATES), max_size=4),
        ),
        min_size=1,
        max_size=4,
    ),
    reaches=["read", "skipped", "a row"],
)
def test_the_merge_takes_whatever_stands_on_partials_and_feed(
    batches: list[list[Record]],
) -> set[str]:
    outcomes: set[str] = set()
    messages: list[PartitionUpdate | Heartbeat] = []
    for batch in batches:
        found = aggregator.messages(batch)
        messages += found
        outcomes |= {"read"} if found else set()
        outcomes |= {"skipped"} if len(found) < len(batch) else set()
    return outcomes | judge_merge(messages)


@fuzz(
    logs(AGGREGATED, st.one_of(json_of(ROWS), st.sampled_from(UNDATED))),
    reaches=["a put", "dead: not_json", "dead: bad_event_time"],
)  # fmt: skip
def test_fs_writer_puts_leaves_out_or_buries_each_row(batch: list[Record]) -> set[str]:
    outcomes: set[str] = set()
    for table_format in FORMATS:
        todo = plan(batch, FEATURES, table_format)
        puts = [put for minute in todo.minutes for put in minute]
        assert len(puts) + len(todo.unreadable) + todo.superseded == len(batch)
        firsts = [minute[0] for minute in todo.minutes]
        assert sum(map(len, calls(firsts, parallel=1))) == len(firsts)
        dead = [(refusal.record, refusal.error) for refusal in todo.unreadable.values()]
        outcomes |= judge_letters(dead) | ({"a put"} if puts else set())
    return outcomes


@fuzz(logs(DEDUPED, transaction_texts()), reaches=["stored", "open"])
def test_the_archive_keeps_each_value(batch: list[Record]) -> set[str]:
    cutter = Cutter(CutRules(bucket_s=60, max_rows=3, max_bytes=MAX_RECORD_BYTES))
    complete = [done for record in batch for done in cutter.add(record)]
    rows = [record for done in complete for record in done.rows]
    expected = [record for record in batch if not wire.is_tick(record)]
    assert rows == expected[: len(rows)]
    for done in complete:
        if done.rows:
            assert done.name("A" * 22).key
            assert schema.encode(done.rows)
    return {"stored" if rows else "open"}


@fuzz(
    st.sampled_from(sorted(SOURCES)).flatmap(
        lambda topic: logs(topic, st.one_of(transaction_texts(), json_of(ROWS)), headers=MARKS)
    ),
    reaches=["revived", "refused", "a mark"],
)
def test_dead_letters_are_shown_and_replayed_or_refused(batch: list[Record]) -> set[str]:
    outcomes: set[str] = set()
    for record in batch:
        letter = Letter(record=record, is_replayed=marked_offset(record) is not None)
        outcomes |= {"a mark"} if letter.is_replayed else set()
        assert all(line.isprintable() for line in view.row(letter))
        assert "\n" not in view.as_json(letter)
        assert view.details(letter)
        try:
            revive(record, feed_time_ms=None, features=FEATURES)
            outcomes.add("revived")
        except InvalidMessageError:
            outcomes.add("refused")
        if (offset := marked_offset(record)) is not None:
            assert 0 <= offset < 10**19
    return outcomes


def test_seeds_are_read() -> None:
    assert transactions()
    for heartbeat in HEARTBEATS:
        assert wire.decode_heartbeat(wire._encode(heartbeat))
    for update in UPDATES:
        assert wire.decode_update(wire._encode(update))
    for each in ROWS:
        assert wire.decode_row(wire.encode_row(each), FEATURES) == each
