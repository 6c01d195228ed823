from dataclasses import replace

import pytest
from faust_microbatch import Batch
from faust_microbatch.testing import batch_of
from structlog.testing import capture_logs

from txfeatures.domain import wire
from txfeatures.domain.dead_letter_limit import TooManyDeadLettersError
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import Record
from txfeatures.kafka.dead_letters import DeadLetters
from txfeatures.process.metrics import Metrics

ERROR = InvalidMessageError("not_json", "malformed")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("dedup")


def record(offset: int, value: bytes = b"v") -> Record:
    return Record(
        topic="raw",
        partition=3,
        offset=offset,
        key=b"k",
        value=value,
        timestamp_ms=5,
        headers=(("traceparent", b"00"),),
    )


def tick(offset: int) -> Record:
    sent = wire.tick("raw", 3, 5)
    return Record(
        topic="raw",
        partition=3,
        offset=offset,
        key=sent.key,
        value=sent.value,
        timestamp_ms=5,
        headers=sent.headers,
    )


def bury(dead_letters: DeadLetters, *records: Record, dead: int) -> Batch:
    batch = batch_of("raw", records, partition=records[0].partition, offset=records[0].offset)
    dead_letters.bury(batch, [(one, ERROR) for one in batch.records[:dead]])
    return batch


def test_dead_letters_go_byte_for_byte_to_the_partition_where_they_stood(
    metrics: Metrics,
) -> None:
    with capture_logs() as logs:
        batch = bury(DeadLetters(limit=9, metrics=metrics), record(8, b"<"), record(9), dead=1)
    [(topic, partition, letters)] = batch.outbox.sends
    assert (topic, partition) == ("raw.dlq", 3)
    assert letters == (wire.dead_letter(batch.records[0], ERROR),)
    counted = metrics.registry.get_sample_value(
        "txf_dedup_dlq_records_total", {"reason": "not_json"}
    )
    assert counted == 1
    assert logs == [
        {
            "event": "dead_letter",
            "log_level": "warning",
            "reason": "not_json",
            "topic": "raw",
            "partition": 3,
            "offset": 8,
            "inspect": "txfeatures dlq list --topic raw.dlq",
        }
    ]


def test_a_value_that_no_record_of_ours_can_hold_is_left_out(metrics: Metrics) -> None:
    dead_letters = DeadLetters(limit=9, max_record_bytes=100_000, metrics=metrics)
    batch = bury(dead_letters, record(8, b"<" * 100_000), record(9), dead=1)
    [(_, _, [letter])] = batch.outbox.sends
    assert letter.value is None
    assert wire.header(letter.headers, wire.REASON_HEADER) == b"not_json"


def test_without_dead_letters_nothing_is_sent(metrics: Metrics) -> None:
    batch = bury(DeadLetters(limit=9, metrics=metrics), record(8), dead=0)
    assert not any(letters for _, _, letters in batch.outbox.sends)


def test_more_than_the_limit_stop_the_service_before_the_batch_is_sent(metrics: Metrics) -> None:
    dead_letters = DeadLetters(limit=3, metrics=metrics)
    bury(dead_letters, record(1), record(2), dead=2)
    batch = batch_of("raw", [record(3), record(4)], partition=3, offset=3)
    with pytest.raises(TooManyDeadLettersError, match="more than 3 of the last 30 records of raw"):
        dead_letters.bury(batch, [(one, ERROR) for one in batch.records])
    assert batch.outbox.sends == []


@pytest.mark.parametrize("readable", [0, 2_000, 3_999])
def test_one_readable_record_in_a_batch_of_dead_letters_hides_nothing(
    metrics: Metrics, readable: int
) -> None:
    batch = batch_of("raw", [record(offset) for offset in range(4_000)], partition=3)
    dead = [(one, ERROR) for one in batch.records if one.offset != readable]
    with pytest.raises(TooManyDeadLettersError, match="more than 1000"):
        DeadLetters(limit=1000, metrics=metrics).bury(batch, dead)
    assert batch.outbox.sends == []


def test_a_tick_is_no_record_and_widens_no_window(metrics: Metrics) -> None:
    dead_letters = DeadLetters(limit=3, metrics=metrics)
    bury(dead_letters, record(1), record(2), record(3), dead=3)
    bury(dead_letters, *(tick(offset) for offset in range(4, 40)), dead=0)
    with pytest.raises(TooManyDeadLettersError):
        bury(dead_letters, record(40), tick(41), dead=1)


def test_a_window_of_readable_records_lets_the_dead_letters_before_it_go(metrics: Metrics) -> None:
    dead_letters = DeadLetters(limit=3, metrics=metrics)
    for first in (0, 100, 200):
        bury(dead_letters, *(record(first + i) for i in range(3)), dead=3)
        bury(dead_letters, *(record(first + i) for i in range(3, 30)), dead=0)


def test_each_partition_has_a_limit_of_its_own(metrics: Metrics) -> None:
    dead_letters = DeadLetters(limit=1, metrics=metrics)
    bury(dead_letters, record(1), dead=1)
    other = replace(record(1), partition=4)
    assert bury(dead_letters, other, dead=1).outbox.sends
