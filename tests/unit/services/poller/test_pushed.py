import json
from typing import Any

import pytest

from tests.support.pushed_tx import message, payment, utx
from tests.support.shared_data import ANSWER, BLOCK, HUGE, RECORDING, shared_data
from txfeatures.archive.recording import read
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.wire import decode_transaction
from txfeatures_poller.pushed import completed, transaction


def pushed(**changes: object) -> dict[str, Any]:
    """Return the transaction of a message, as JSON."""
    found: dict[str, Any] = json.loads(transaction(utx(payment(**changes))) or b"null")
    return found


def assert_as_polled(polled: bytes) -> None:
    """Check that a pushed transaction decodes to the same values as the polled one."""
    value = transaction(message(polled))
    assert value is not None
    assert decode_transaction(value) == decode_transaction(polled)


def test_each_pushed_transaction_of_the_examples_is_as_rich_as_the_polled_one() -> None:
    for arrival in read(RECORDING):
        assert_as_polled(bytes(arrival.tx))


@pytest.mark.parametrize("name", [BLOCK, HUGE])
def test_each_pushed_transaction_of_a_block_is_as_rich_as_the_polled_one(name: str) -> None:
    for arrival in read(shared_data(name)):
        assert_as_polled(bytes(arrival.tx))


def test_each_pushed_transaction_of_a_live_answer_is_as_rich_as_the_polled_one() -> None:
    for polled in json.loads(shared_data(ANSWER).read_bytes())["txs"]:
        assert_as_polled(json.dumps(polled).encode())


def test_the_message_stays_as_it_came_with_the_missing_fields_behind_it() -> None:
    value = json.dumps(payment(), indent=1).encode()
    found = transaction(b'{ "op" : "utx", "x" : ' + value + b" }")
    assert found == value[:-1] + b',"fee":151,"weight":397}'


def test_an_input_that_signals_replace_by_fee_is_told() -> None:
    [spending] = payment()["inputs"]
    assert pushed(inputs=[spending | {"sequence": 0xFFFFFFFD}])["rbf"] is True
    assert "rbf" not in pushed(inputs=[spending | {"sequence": 0xFFFFFFFE}])


def test_a_field_that_the_source_gives_wins() -> None:
    given = {"fee": 7, "weight": 404, "rbf": True}
    assert pushed(**given) == payment() | given


def test_a_fee_of_more_than_32_bits_is_exact() -> None:
    [spending] = payment()["inputs"]
    spending["prev_out"]["value"] = 29_100_002_349
    assert pushed(inputs=[spending])["fee"] == 29_100_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"out": []},
        {"vin_sz": 2},
        {"vout_sz": 0},
        {"inputs": None},
        {"inputs": [{"prev_out": None}]},
        {"inputs": [{"prev_out": {"value": -1}}]},
        {"inputs": [{"prev_out": {"value": 2348}}]},
        {"inputs": [{"prev_out": {"value": 2349.5}}]},
        {"out": [{"value": "2349"}]},
    ],
)
def test_a_transaction_whose_fee_cannot_be_computed_is_a_dead_letter_as_it_came(
    changes: dict[str, object],
) -> None:
    value = json.dumps(payment(**changes)).encode()
    found = transaction(b'{"op":"utx","x":' + value + b"}")
    assert found == value
    with pytest.raises(InvalidMessageError) as refused:
        decode_transaction(found)
    assert refused.value.reason == "missing_fee"


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 81},
        {"size": 84},
        {"size": 82},  # without its witness, which an input without a script must have
        {"size": "151"},
        {"size": 4_000_001},
        {"inputs": [{"prev_out": {"value": 2500}}]},
        {"inputs": [{"prev_out": {"value": 2500}, "script": 5}]},
        {"inputs": [{"prev_out": {"value": 2500}, "script": "zz"}]},
        {"inputs": [{"prev_out": {"value": 2500}, "script": "abc"}]},
        {"out": [{"value": 2349}]},
    ],
)
def test_a_weight_that_cannot_be_computed_is_left_out_and_the_fee_is_not(
    changes: dict[str, object],
) -> None:
    found = pushed(**changes)
    assert found["fee"] == 151
    assert "weight" not in found


@pytest.mark.parametrize(
    "odd",
    [b"", b"null", b"[]", b"{", b'{"op":5}', b'{"op":"utx","x":NaN}', b"\xff"],
)
def test_a_message_that_cannot_be_read_is_a_dead_letter_as_it_came(odd: bytes) -> None:
    assert transaction(odd) == odd
    with pytest.raises(InvalidMessageError):
        decode_transaction(odd)


@pytest.mark.parametrize("odd", [b"null", b"17", b'"utx"', b'"\xff"', b"[1]", b"{}"])
def test_a_message_with_anything_for_a_transaction_is_a_dead_letter(odd: bytes) -> None:
    assert transaction(b'{"op":"utx","x":' + odd + b"}") == odd
    with pytest.raises(InvalidMessageError):
        decode_transaction(odd)


@pytest.mark.parametrize("other", [b'{"op":"pong"}', b'{"op":"block","x":{"txIndexes":[1]}}'])
def test_a_message_of_another_kind_is_no_transaction(other: bytes) -> None:
    assert transaction(other) is None


def test_a_deeply_nested_transaction_is_refused_like_any_other() -> None:
    deep = b'{"a":' * 3000 + b"1" + b"}" * 3000
    assert completed(deep) == deep


def test_twenty_thousand_inputs_are_added_up_exactly() -> None:
    [spending] = payment()["inputs"]
    spending["script"] = "00" * 107
    size = 8 + 3 + 1 + 20_000 * (41 + 107) + 8 + 1 + 22
    found = pushed(inputs=[spending] * 20_000, vin_sz=20_000, size=size)
    assert found["fee"] == 20_000 * 2500 - 2349
    assert found["weight"] == 4 * size if 4 * size <= 4_000_000 else "weight" not in found
