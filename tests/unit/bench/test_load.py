import itertools
import json
from statistics import mean

from bench.load import heartbeats, transactions, uniques, with_ticks
from txfeatures.domain import wire
from txfeatures.domain.model import OutgoingRecord, Record
from txfeatures.domain.topics import FEED


def as_read(record: OutgoingRecord) -> Record:
    return Record(
        topic=record.topic,
        partition=record.partition or 0,
        offset=0,
        key=record.key,
        value=record.value,
        timestamp_ms=record.timestamp_ms,
        headers=tuple(record.headers),
    )


def test_the_same_records_come_each_time() -> None:
    assert [*transactions("raw", 200)] == [*transactions("raw", 200)]


def test_a_tenth_are_doubles_of_earlier_ones_byte_for_byte() -> None:
    records = [*transactions("raw", 1005)]
    first: dict[bytes | None, bytes | None] = {}
    for record in records:
        assert first.setdefault(record.key, record.value) == record.value
    assert len(records) == 1005
    assert len(first) == uniques(1005) == 905


def test_without_doubles_all_are_different() -> None:
    assert len({record.key for record in transactions("raw", 500, doubles=False)}) == 500


def test_values_are_transactions_of_the_real_size_under_their_own_hash() -> None:
    records = [*transactions("raw", 500)]
    for record in records:
        assert wire.decode_transaction(record.value).hash.encode() == record.key
    assert 1200 < mean(record.size_bytes for record in records) < 1800
    assert set(json.loads(records[0].value or b"")) >= {"hash", "fee", "inputs", "out", "time"}


def test_each_poll_is_dated_by_the_second_after_its_transactions() -> None:
    polls = itertools.groupby(
        transactions("raw", 30, per_s=10, doubles=False), key=lambda record: record.timestamp_ms
    )
    for feed_time_ms, poll in polls:
        times = [wire.decode_transaction(record.value).time for record in poll]
        assert len(times) == 10
        assert {time_s * 1000 + 1000 for time_s in times} == {feed_time_ms}


def test_ticks_follow_the_transactions_of_each_poll_in_every_partition() -> None:
    records = [*with_ticks(transactions("raw", 20, per_s=10), partitions=4)]
    assert [wire.is_tick(as_read(record)) for record in records] == ([False] * 10 + [True] * 4) * 2
    for tick in records[10:14]:
        assert tick.timestamp_ms == records[9].timestamp_ms
    assert [tick.partition for tick in records[10:14]] == [0, 1, 2, 3]


def test_each_poll_has_a_heartbeat_of_its_time() -> None:
    ticks = with_ticks(transactions("raw", 25, per_s=10), partitions=1)
    polls = [record.timestamp_ms for record in ticks if wire.is_tick(as_read(record))]
    sent = [*heartbeats(25, per_s=10)]
    found = [wire.decode_heartbeat(record.value) for record in sent]
    assert [heartbeat.feed_time_ms for heartbeat in found] == polls
    assert [heartbeat.poll_id for heartbeat in found] == [1, 2, 3]
    assert {record.topic for record in sent} == {FEED}
