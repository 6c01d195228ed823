from dataclasses import replace

import pytest
from faust_microbatch import Batch
from faust_microbatch.testing import batch_of
from structlog.testing import capture_logs

from txfeatures.domain import wire
from txfeatures.domain.errors import FatalError, InvalidMessageError
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
        }
    ]


def test_without_dead_letters_nothing_is_sent(metrics: Metrics) -> None:
    batch = bury(DeadLetters(limit=9, metrics=metrics), record(8), dead=0)
    assert not any(letters for _, _, letters in batch.outbox.sends)


def test_more_in_a_row_than_the_limit_stop_the_service_before_the_batch_is_sent(
    metrics: Metrics,
) -> None:
    dead_letters = DeadLetters(limit=3, metrics=metrics)
    bury(dead_letters, record(1), record(2), dead=2)
    batch = batch_of("raw", [record(3), record(4)], partition=3, offset=3)
    with pytest.raises(FatalError, match="more than 3 records of raw in a row can't be read"):
        dead_letters.bury(batch, [(one, ERROR) for one in batch.records])
    assert batch.outbox.sends == []


def test_a_transaction_that_can_be_read_ends_the_row_and_a_tick_does_not(
    metrics: Metrics,
) -> None:
    dead_letters = DeadLetters(limit=3, metrics=metrics)
    bury(dead_letters, record(1), record(2), record(3), dead=3)
    bury(dead_letters, record(4), dead=0)
    bury(dead_letters, record(5), record(6), record(7), dead=3)
    bury(dead_letters, tick(8), dead=0)
    with pytest.raises(FatalError):
        bury(dead_letters, record(9), tick(10), dead=1)


def test_each_partition_has_a_row_of_its_own(metrics: Metrics) -> None:
    dead_letters = DeadLetters(limit=1, metrics=metrics)
    bury(dead_letters, record(1), dead=1)
    other = replace(record(1), partition=4)
    assert bury(dead_letters, other, dead=1).outbox.sends
