import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.declared import DEFAULT, FEATURES
from tests.unit.txfeatures.dead_letters.letters import (
    FEED_S,
    HASH,
    TRANSACTION,
    from_poller,
    from_service,
    waiting,
)
from txfeatures.dead_letters.letter import SOURCES, Filter, mark, marked_offset, revive
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import OutgoingRecord, Partial, Record
from txfeatures.domain.rules import AggregatorRules
from txfeatures.domain.topics import TOPICS
from txfeatures_aggregator.logic import Progress, fold
from txfeatures_dedup.logic import dedup

DAY_S = 24 * 3600
REMEMBER_MS = 2 * DAY_S * 1000
ROW = wire.encode_row(
    {f.name: "2024-10-19 00:00:00" if f.type == "String" else 1 for f in FEATURES}
)


def arrived(record: OutgoingRecord, *, offset: int = 0) -> Record:
    return Record(
        topic=record.topic,
        partition=0,
        offset=offset,
        key=record.key,
        value=record.value,
        timestamp_ms=record.timestamp_ms,
        headers=record.headers,
    )


def tick(at_s: int) -> Record:
    return arrived(wire.tick("deduped", 0, at_s * 1000))


def folded(
    records: Sequence[Record],
    progress: Progress = Progress(),  # noqa: B008
) -> tuple[Progress, dict[int, Partial], int, list[str]]:
    outcome = fold(
        progress,
        {},
        records,
        partition=0,
        partitions=1,
        rules=AggregatorRules(),
        declaration=DEFAULT,
    )
    reasons = [reason for _, reason in outcome.uncounted]
    return outcome.progress, dict(outcome.changed), outcome.folded, reasons


def test_every_dead_letter_topic_has_a_way_back() -> None:
    assert list(SOURCES) == [topic.name for topic in TOPICS if topic.name.endswith(".dlq")]


def test_a_transaction_that_the_poller_could_not_read_goes_to_raw_by_its_hash() -> None:
    sent = revive(from_poller(TRANSACTION, offset=9), feed_time_ms=None, features=FEATURES)
    assert sent == OutgoingRecord(
        topic="raw",
        key=HASH.encode(),
        partition=None,
        value=TRANSACTION,
        timestamp_ms=FEED_S * 1000,
        headers=(("txf-poller", b"p1"), ("txf-replayed-from", b"raw.dlq/2/9")),
    )


def test_a_record_without_a_hash_as_its_key_gets_it() -> None:
    assert (
        revive(from_service("raw", TRANSACTION), feed_time_ms=None, features=FEATURES).key
        == HASH.encode()
    )


@pytest.mark.parametrize(("topic", "value"), [("deduped", TRANSACTION), ("aggregated", ROW)])
def test_others_go_back_to_their_partition_byte_for_byte(topic: str, value: bytes) -> None:
    headers = (("traceparent", b"00"), ("txf-replayed-from", b"an earlier place"))
    letter = from_service(topic, value, headers=headers)
    assert revive(letter, feed_time_ms=None, features=FEATURES) == OutgoingRecord(
        topic=topic,
        partition=3,
        key=b"k",
        value=value,
        timestamp_ms=FEED_S * 1000,
        headers=(("traceparent", b"00"), ("txf-replayed-from", f"{letter.topic}/3/5".encode())),
    )


@pytest.mark.parametrize(
    ("letter", "reason"),
    [
        (from_poller(b"{"), "not_json"),
        (from_poller(None, reason="too_large"), "empty"),
        (from_poller(b'{"txs":[%s]}' % TRANSACTION), "missing_hash"),
        (from_service("raw", b"{}"), "missing_hash"),
        (from_service("deduped", None), "empty"),
        (from_service("aggregated", b"[]"), "not_object"),
    ],
    ids=["junk", "bytes not kept", "whole answer", "raw", "deduped", "aggregated"],
)
def test_one_that_is_still_unreadable_is_refused(letter: Record, reason: str) -> None:
    with pytest.raises(InvalidMessageError) as caught:
        revive(letter, feed_time_ms=None, features=FEATURES)
    assert caught.value.reason == reason


def test_no_timestamp_passes_the_feed_clock_or_moves_back_for_it() -> None:
    letter = from_poller(TRANSACTION)
    now_ms = letter.timestamp_ms
    assert revive(letter, feed_time_ms=now_ms + 1, features=FEATURES).timestamp_ms == now_ms
    assert revive(letter, feed_time_ms=now_ms - 1, features=FEATURES).timestamp_ms == now_ms - 1


def test_dedup_drops_a_replay_whose_good_version_came_before_or_comes_after() -> None:
    replayed = arrived(revive(from_poller(TRANSACTION), feed_time_ms=None, features=FEATURES))
    for later_ms in (0, 1, REMEMBER_MS - 1):
        good = arrived(
            OutgoingRecord(
                topic="raw",
                key=HASH.encode(),
                value=TRANSACTION,
                timestamp_ms=replayed.timestamp_ms + later_ms,
            )
        )
        for order in ([good, replayed], [replayed, good]):
            outcome = dedup({}, order, remember_ms=REMEMBER_MS)
            assert (len(outcome.forwarded), outcome.duplicates) == (1, 1)


def test_a_replay_counts_in_its_own_minute_and_moves_no_clock() -> None:
    newer = json.dumps({"hash": "f" * 64, "time": FEED_S + 3600, "fee": 1}).encode()
    live = OutgoingRecord(
        topic="deduped", key=b"f" * 64, value=newer, timestamp_ms=(FEED_S + 3600) * 1000
    )
    before, *_ = folded([arrived(live), tick(FEED_S + 3600)])
    replayed = arrived(
        revive(from_service("deduped", TRANSACTION), feed_time_ms=None, features=FEATURES)
    )
    after, changed, counted, uncounted = folded([replayed], before)
    assert (counted, uncounted, list(changed)) == (1, [], [FEED_S])
    assert (after.feed_time_ms, after.watermark_s) == (before.feed_time_ms, before.watermark_s)


def test_a_replay_after_the_allowed_lateness_is_set_aside_and_can_not_count_twice() -> None:
    before, *_ = folded([tick(FEED_S + DAY_S + 300)])
    replayed = arrived(
        revive(from_service("deduped", TRANSACTION), feed_time_ms=None, features=FEATURES)
    )
    after, changed, counted, uncounted = folded([replayed], before)
    assert (counted, uncounted, changed) == (0, ["late"], {})
    assert after == before


def test_a_mark_stands_beside_its_dead_letter_and_names_its_offset() -> None:
    sent = mark(from_poller(b"{", offset=41), now_ms=7)
    assert (sent.topic, sent.partition, sent.key, sent.value) == ("raw.dlq", 2, None, b"")
    assert sent.timestamp_ms == 7
    assert marked_offset(arrived(sent)) == 41


@pytest.mark.parametrize("offset", [b"", b"-1", b"\xb2", b"9" * 20, b"9" * 5000])
def test_a_mark_without_an_offset_is_none(offset: bytes) -> None:
    sent = mark(from_poller(b"{", offset=41), now_ms=7)
    forged = replace(arrived(sent), headers=(("txf-replayed", offset),))
    assert marked_offset(forged) is None


def test_a_sender_can_not_forge_a_mark() -> None:
    assert marked_offset(from_poller(b"{", headers=(("txf-replayed", b"3"),))) is None
    assert marked_offset(from_service("raw", b"{", headers=(("txf-replayed", b"3"),))) is None


def test_the_origin_is_the_place_or_else_the_poller() -> None:
    assert waiting(from_service("raw", b"{")).origin == "raw/3/17"
    assert waiting(from_poller(b"{")).origin == "p1"
    assert waiting(from_poller(b"{")).message == "what is wrong"


@pytest.mark.parametrize(
    ("wanted", "takes"),
    [
        (Filter(), True),
        (Filter(reasons=frozenset({"bad_fee", "x"})), True),
        (Filter(reasons=frozenset({"x"})), False),
        (Filter(since_ms=FEED_S * 1000), True),
        (Filter(since_ms=FEED_S * 1000 + 1), False),
        (Filter(until_ms=FEED_S * 1000), False),
        (Filter(until_ms=FEED_S * 1000 + 1), True),
        (Filter(partition=2, offset=0), True),
        (Filter(partition=0), False),
        (Filter(partition=2, offset=1), False),
    ],
)
def test_a_filter_takes_those_that_match_everything_given(wanted: Filter, takes: bool) -> None:
    assert wanted.takes(waiting(from_poller(b"{"))) is takes
