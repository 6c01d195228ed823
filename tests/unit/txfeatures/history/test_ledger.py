from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from tests.support import declared
from txfeatures.domain import wire
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import Record
from txfeatures.history.ledger import Stage, aggregator_stage, dedup_stage

MINUTE_S = 1_729_335_000


def transaction(number: int, *, minute: int = 0, offset: int = 0, topic: str = "raw") -> Record:
    name = f"{number:064x}"
    value = {"hash": name, "time": MINUTE_S + 60 * minute + number % 60, "fee": 1}
    return Record(
        topic=topic,
        partition=0,
        offset=offset,
        key=name.encode(),
        value=msgspec.json.encode(value),
        timestamp_ms=0,
    )


def transactions(*numbers: int, minute: int = 0) -> list[Record]:
    return [
        transaction(number, minute=minute, offset=offset) for offset, number in enumerate(numbers)
    ]


def buried(record: Record) -> Record:
    letter = wire.dead_letter(record, InvalidMessageError("not_json", "it is not"))
    return replace(record, topic=letter.topic, value=letter.value, headers=tuple(letter.headers))


def row(count: int, *, minute: int = 0, revision: int = 1) -> Record:
    values = declared.row(
        declared.EMPTY,
        minute_s=MINUTE_S + 60 * minute,
        event_time_ms=0,
        revision=revision,
        is_final=True,
        gaps=0,
    )
    value = wire.encode_row({**values, "total_nb_trx_1min": count})
    return Record(topic="aggregated", partition=0, offset=0, key=b"", value=value, timestamp_ms=0)


def differences(stage: Stage) -> tuple[int, int]:
    assert stage.is_balanced is (stage.missing == stage.extra == 0)
    return stage.missing, stage.extra


def test_repeats_and_dead_letters_of_dedup_are_accounted_for() -> None:
    raw = transactions(1, 2, 1, 3)
    stage = dedup_stage(raw, transactions(1, 2), dead=[buried(raw[3])])
    assert stage == Stage(name="dedup", taken=4, given=2, duplicates=1, dead=1)
    assert stage.is_balanced


def test_a_dead_letter_is_of_one_record_not_of_its_hash() -> None:
    raw = transactions(1, 1)
    stage = dedup_stage(raw, transactions(1), dead=[buried(raw[0])])
    assert (stage.duplicates, stage.dead, differences(stage)) == (0, 1, (0, 0))


def test_dead_letters_of_the_poller_were_no_records() -> None:
    letter = replace(transaction(9), headers=())
    assert dedup_stage(transactions(1), transactions(1), dead=[letter]).is_balanced
    assert aggregator_stage(transactions(1), [row(1)], late=[], dead=[letter]).is_balanced


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1, 2), (1, 0)),  # lost
        ((1, 2, 3, 3), (0, 1)),  # doubled
        ((1, 2, 2), (1, 1)),  # lost and doubled: the sum is right
        ((1, 2, 4), (1, 1)),  # another
        ((1, 2, 3, 4), (0, 1)),  # from nowhere
        ((), (3, 0)),
    ],
)
def test_no_loss_of_dedup_is_balanced_by_a_surplus(
    given: Sequence[int], expected: tuple[int, int]
) -> None:
    stage = dedup_stage(transactions(1, 2, 3), transactions(*given), dead=[])
    assert differences(stage) == expected


def test_every_transaction_is_counted_late_or_dead() -> None:
    deduped = [*transactions(1, 2, 3), *transactions(4, 5, minute=1)]
    deduped[4] = replace(deduped[4], topic="deduped")
    stage = aggregator_stage(
        deduped,
        [row(1), row(2, revision=2), row(1, revision=1), row(1, minute=1)],
        late=[deduped[2]],
        dead=[buried(deduped[4])],
    )
    assert stage == Stage(name="aggregator", taken=5, given=3, late=1, dead=1)
    assert stage.is_balanced


def test_what_cannot_be_read_is_dead() -> None:
    odd = replace(transaction(1), topic="deduped", value=b"{")
    assert aggregator_stage([odd], [], late=[], dead=[buried(odd)]).is_balanced
    assert differences(aggregator_stage([odd], [], late=[], dead=[])) == (1, 0)


def test_dead_letters_of_other_topics_are_not_the_aggregators() -> None:
    deduped = transactions(1)
    stage = aggregator_stage(deduped, [], late=[], dead=[buried(deduped[0])])  # of raw
    assert (stage.dead, differences(stage)) == (0, (1, 0))


@pytest.mark.parametrize(
    ("counts", "late", "expected"),
    [
        ((2, 2), (), (0, 0)),
        ((1, 2), (), (1, 0)),
        ((2, 3), (), (0, 1)),
        ((1, 3), (), (1, 1)),  # the sum is right
        ((2, 2), (1,), (0, 1)),  # counted, and late too
        ((1, 2), (1,), (0, 0)),
        ((1, 2), (3,), (1, 1)),  # late, but of the other minute
        ((0, 0), (), (4, 0)),
    ],
)
def test_no_loss_of_the_aggregator_is_balanced_by_a_surplus(
    counts: tuple[int, int], late: Sequence[int], expected: tuple[int, int]
) -> None:
    minutes = {1: 0, 2: 0, 3: 1, 4: 1}
    stage = aggregator_stage(
        [transaction(number, minute=minute) for number, minute in minutes.items()],
        [row(count, minute=minute) for minute, count in enumerate(counts)],
        late=[transaction(number, minute=minutes[number]) for number in late],
        dead=[],
    )
    assert differences(stage) == expected
    assert stage.late == len(late)
