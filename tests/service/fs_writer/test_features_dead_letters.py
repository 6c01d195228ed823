from dataclasses import replace

import pytest

from tests.service.fs_writer.features import REFUSED, Start, first_times, garbage
from tests.support.rows import MINUTE_S, row_record
from txfeatures.domain.dead_letter_limit import TooManyDeadLettersError
from txfeatures.domain.errors import TransientError
from txfeatures.domain.features import minute_name
from txfeatures.domain.wire import header


def test_a_row_refused_for_good_goes_to_the_dlq_with_the_words_of_the_store(start: Start) -> None:
    record = row_record(0, 0, 1)
    service = start(record, row_record(1, 1, 1), refuse=first_times(1, REFUSED), max_records=1)
    service.step()
    (letter,) = service.dead_letters.records
    assert (letter.topic, letter.key, letter.value) == ("aggregated.dlq", record.key, record.value)
    assert header(letter.headers, "txf-reason") == b"store_refused"
    assert header(letter.headers, "__streams.errors.message") == REFUSED.detail.encode()
    assert service.log.committed == {("aggregated", 0): 1}
    assert service.metric("dlq_records_total", reason="store_refused") == 1
    assert service.metric("records_total", direction="out", topic="aggregated.dlq") == 1
    service.step()
    assert len(service.store.taken) == 1


def test_a_record_that_is_no_row_goes_to_the_dlq_and_the_others_are_put(start: Start) -> None:
    service = start(row_record(0, 0, 1), garbage(1), row_record(2, 1, 1))
    service.step()
    assert [letter.value for letter in service.dead_letters.records] == [b"\xff{"]
    assert len(service.store.taken) == 2
    assert service.log.committed == {("aggregated", 0): 3}


def test_one_bad_row_of_a_call_is_buried_and_the_others_are_taken(start: Start) -> None:
    bad = minute_name(MINUTE_S + 60 * 7)
    records = [row_record(i, i, 1, final=True) for i in range(60)]
    service = start(*records, refuse=lambda v: REFUSED if v["tx_minute"] == bad else None)
    service.step()
    assert len(service.store.taken) == 59
    assert [letter.key for letter in service.dead_letters.records] == [bad.encode()]
    assert service.log.committed == {("aggregated", 0): 60}


def test_nothing_is_committed_before_the_dead_letter_is_acknowledged(start: Start) -> None:
    service = start(garbage(0), row_record(1, 0, 1))
    service.dead_letters.refusals = [TransientError("no answer in time")]
    with pytest.raises(TransientError):
        service.step()
    assert service.log.commits == []
    service.step()
    assert len(service.dead_letters.records) == 1
    assert len(service.store.calls) == 1
    assert service.log.committed == {("aggregated", 0): 2}


def test_too_many_dead_letters_stop_the_service_before_they_are_buried(start: Start) -> None:
    service = start(*(garbage(i) for i in range(5)), max_records=2, dead_letter_limit=3)
    service.step()
    with pytest.raises(TooManyDeadLettersError, match="more than 3 of the last 30 records"):
        service.step()
    assert len(service.dead_letters.records) == 2
    assert service.log.committed == {("aggregated", 0): 2}


def test_good_rows_in_between_do_not_hide_too_many_dead_letters(start: Start) -> None:
    records = [garbage(i) if i % 4 else row_record(i, i, 1) for i in range(40)]
    service = start(*records, max_records=3, dead_letter_limit=3)
    service.step()
    with pytest.raises(TooManyDeadLettersError):
        service.step()
    assert len(service.dead_letters.records) == 2
    assert service.log.committed == {("aggregated", 0): 3}


def test_a_few_dead_letters_for_ever_stop_nothing(start: Start) -> None:
    records = [garbage(i) if i % 10 == 0 else row_record(i, i, 1) for i in range(100)]
    service = start(*records, max_records=7, dead_letter_limit=1)
    for _ in range(15):
        service.step()
    assert len(service.dead_letters.records) == 10
    assert service.log.committed == {("aggregated", 0): 100}


def test_a_publish_that_is_made_again_counts_the_dead_letters_once(start: Start) -> None:
    service = start(*(garbage(i) for i in range(3)), max_records=3, dead_letter_limit=3)
    service.dead_letters.refusals = [TransientError("no answer in time")]
    with pytest.raises(TransientError):
        service.step()
    service.step()
    assert service.log.committed == {("aggregated", 0): 3}


def test_each_partition_has_a_limit_of_its_own(start: Start) -> None:
    service = start(
        *(replace(garbage(i), partition=partition) for i in range(3) for partition in (0, 1)),
        dead_letter_limit=3,
    )
    service.step()
    assert service.log.committed == {("aggregated", 0): 3, ("aggregated", 1): 3}
