import dataclasses
from typing import Any

import msgspec
import pytest

from txfeatures.domain.model import (
    MAX_MONEY_SAT,
    Heartbeat,
    OutgoingRecord,
    Output,
    Record,
    Transaction,
    total_value,
)

HASH = "ab" * 32


def outgoing(key: bytes | None, value: bytes | None) -> OutgoingRecord:
    return OutgoingRecord(topic="raw", key=key, value=value, timestamp_ms=0)


def record(key: bytes | None, value: bytes | None) -> Record:
    return Record(topic="raw", partition=0, offset=0, key=key, value=value, timestamp_ms=0)


@pytest.mark.parametrize(
    ("key", "value", "size_bytes"),
    [(b"key", b"value", 8), (None, b"value", 5), (b"key", None, 3), (None, None, 0)],
)
def test_a_records_size_is_that_of_its_key_and_value(
    key: bytes | None, value: bytes | None, size_bytes: int
) -> None:
    assert outgoing(key, value).size_bytes == size_bytes
    assert record(key, value).size_bytes == size_bytes


def test_records_can_not_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        record(None, None).offset = 1  # type: ignore[misc]


def test_a_feed_is_alive_only_when_the_poll_was_answered() -> None:
    beat = Heartbeat(poller="a", poll_id=1, feed_time_ms=0, outcome="ok")
    assert beat.is_alive
    assert not msgspec.structs.replace(beat, outcome="timeout").is_alive


@pytest.mark.parametrize(
    "wrong",
    [
        {"fee": MAX_MONEY_SAT + 1},
        {"fee": -1},
        {"time": -1},
        {"time": 2**63},
        {"hash": "AB" * 32},
        {"hash": HASH + "\n"},
        {"hash": HASH[1:]},
    ],
)
def test_a_transaction_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"hash": HASH, "time": 0, "fee": 0} | wrong, Transaction)


def test_all_the_money_there_is_can_be_a_fee() -> None:
    found = msgspec.convert({"hash": HASH, "time": 2**63 - 1, "fee": MAX_MONEY_SAT}, Transaction)
    assert found == Transaction(hash=HASH, time=2**63 - 1, fee=MAX_MONEY_SAT)


def transaction(*, fee: int = 300, **rest: Any) -> Transaction:
    return Transaction(hash=HASH, time=0, fee=fee, **rest)


def test_the_value_of_the_outputs_is_known_if_they_are() -> None:
    assert transaction(out=[Output(value=3), Output(value=4)]).output_value == 7
    assert transaction(out=[]).output_value == 0
    assert transaction().output_value is None


def test_outputs_can_not_be_worth_more_than_there_is() -> None:
    all_there_is = Output(value=MAX_MONEY_SAT)
    assert total_value([all_there_is]) == MAX_MONEY_SAT
    assert total_value([all_there_is, Output(value=1)]) is None
