import json

from services.aggregator import app
from services.aggregator.logic import Rules, fold
from services.aggregator.merge import Frontier, merge
from txfeatures import wire
from txfeatures.model import OutgoingRecord, PartitionUpdate, Record

START_S = 1_729_296_000


def record(value: bytes | None, *, offset: int = 0, tick: bool = False) -> Record:
    return Record(
        topic="deduped",
        partition=2,
        offset=offset,
        key=None if tick else b"key",
        value=value,
        timestamp_ms=START_S * 1000 + 7,
        headers=((wire.TICK_HEADER, b"1"),) if tick else (("traceparent", b"00"),),
    )


def tx(time: int, *, offset: int = 0) -> Record:
    value = {"hash": f"{offset:064x}", "time": time, "fee": 1}
    return record(json.dumps(value).encode(), offset=offset)


def first_stage(*records: Record) -> list[OutgoingRecord]:
    outcome = fold(None, {}, records, partition=2, partitions=4, rules=Rules())
    return app.folded(outcome)


def test_an_update_goes_to_the_one_partition_of_partials() -> None:
    [sent] = first_stage(tx(START_S), record(None, tick=True))
    assert (sent.topic, sent.key, sent.partition) == ("partials", b"2", None)
    assert sent.timestamp_ms == START_S * 1000 + 7
    update = wire.decode_update(sent.value)
    assert list(update.minutes) == [START_S]


def test_what_came_too_late_goes_byte_for_byte_to_late_with_the_reason() -> None:
    late = tx(0, offset=5)
    [sent] = first_stage(late)
    assert sent == OutgoingRecord(
        topic="late",
        partition=2,
        key=late.key,
        value=late.value,
        timestamp_ms=late.timestamp_ms,
        headers=(("traceparent", b"00"), ("txf-reason", b"late")),
    )
    [future] = first_stage(tx(2**40))
    assert wire.header(future.headers, "txf-reason") == b"future"


def test_what_can_not_be_read_goes_byte_for_byte_to_the_dead_letters() -> None:
    [sent] = first_stage(record(b"<html>"))
    assert (sent.topic, sent.partition, sent.value) == ("deduped.dlq", 2, b"<html>")
    assert wire.header(sent.headers, "txf-reason") == b"not_json"


def test_a_row_is_keyed_by_its_minute_and_stamped_with_its_event_time() -> None:
    partial = fold(None, {}, [tx(START_S)], partition=0, partitions=1, rules=Rules()).changed
    update = PartitionUpdate(
        partition=0,
        partitions=1,
        feed_time_ms=START_S * 1000 + 123,
        watermark_s=0,
        minutes=partial,
    )
    outcome = merge(Frontier(), {}, [update], rules=Rules())
    [sent] = app.merged_rows(outcome)
    assert (sent.topic, sent.key, sent.partition) == ("aggregated", b"2024-10-19 00:00:00", None)
    assert sent.timestamp_ms == START_S * 1000 + 123
    assert wire.decode_row(sent.value) == outcome.rows[0].row
