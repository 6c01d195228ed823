import itertools
import json
import random
from typing import Any

import pytest

from tests.support.shared_data import ANSWER, shared_data
from txfeatures_local.source.simulated_tx import (
    consolidation,
    mint_chain,
    payment,
    tx_index_of,
)

Tx = dict[str, Any]


@pytest.fixture
def recorded() -> list[Tx]:
    path = shared_data(ANSWER)
    txs: list[Tx] = json.loads(path.read_bytes())["txs"]
    return txs


@pytest.fixture
def payments() -> list[Tx]:
    rng = random.Random(7)
    return [payment(rng, time=1_700_000_000) for _ in range(2_000)]


def bytes_of(hexadecimal: str) -> int:
    return len(hexadecimal) // 2


def varint(value: int) -> int:
    return 1 if value < 253 else 3 if value < 65536 else 5


def serialised(tx: Tx) -> tuple[int, int]:
    inputs, outputs = tx["inputs"], tx["out"]
    base = 8 + varint(len(inputs)) + varint(len(outputs))
    for spent in inputs:
        base += 40 + varint(bytes_of(spent["script"])) + bytes_of(spent["script"])
    for output in outputs:
        base += 8 + varint(bytes_of(output["script"])) + bytes_of(output["script"])
    witness = sum(max(1, bytes_of(spent["witness"])) for spent in inputs)
    if not any(spent["witness"] for spent in inputs):
        return base, 4 * base
    return base + 2 + witness, 4 * base + 2 + witness


def shapes(txs: list[Tx]) -> dict[str, set[tuple[tuple[str, type], ...]]]:
    inputs = [spent for tx in txs for spent in tx["inputs"]]
    parts = {
        "tx": txs,
        "input": inputs,
        "prev_out": [spent["prev_out"] for spent in inputs],
        "output": [output for tx in txs for output in tx["out"]],
    }
    return {
        name: {tuple((key, type(value)) for key, value in part.items()) for part in group}
        for name, group in parts.items()
    }


def test_keys_their_order_and_their_types_are_the_recorded_ones(
    recorded: list[Tx], payments: list[Tx]
) -> None:
    assert shapes(payments) == shapes(recorded)


def test_sizes_and_weights_add_up_as_in_recorded_ones(
    recorded: list[Tx], payments: list[Tx]
) -> None:
    huge = consolidation(random.Random(1), time=1)
    for tx in [*recorded, *payments, huge]:
        assert (tx["size"], tx["weight"]) == serialised(tx)
        assert (tx["vin_sz"], tx["vout_sz"]) == (len(tx["inputs"]), len(tx["out"]))


def test_fees_are_what_goes_in_less_what_comes_out(payments: list[Tx]) -> None:
    for tx in payments:
        spent_sat = sum(spent["prev_out"]["value"] for spent in tx["inputs"])
        assert tx["fee"] == spent_sat - sum(output["value"] for output in tx["out"])
        assert tx["fee"] >= 1


def test_the_index_follows_from_the_hash_by_the_recorded_rule(
    recorded: list[Tx], payments: list[Tx]
) -> None:
    for tx in recorded + payments:
        assert tx["tx_index"] == tx_index_of(tx["hash"]) < 2**53


def test_rbf_is_true_with_a_replaceable_sequence_and_absent_without(payments: list[Tx]) -> None:
    for tx in payments:
        replaceable = all(spent["sequence"] < 0xFFFFFFFE for spent in tx["inputs"])
        assert tx.get("rbf") is (True if replaceable else None)
    assert 0.6 < sum("rbf" in tx for tx in payments) / len(payments) < 0.8


def test_a_mint_chain_spends_its_own_change_at_the_recorded_fee() -> None:
    chain = list(mint_chain(random.Random(7), length=70, time=5))
    assert [tx["fee"] for tx in chain] == [3406] * 70
    for parent, child in itertools.pairwise(chain):
        [spent] = child["inputs"]
        assert spent["prev_out"]["tx_index"] == parent["tx_index"]
        assert spent["prev_out"]["value"] == parent["out"][spent["prev_out"]["n"]]["value"]


def test_a_consolidation_is_huge_and_not_beyond_what_has_happened() -> None:
    rng = random.Random(7)
    lengths = [len(json.dumps(consolidation(rng, time=1), separators=(",", ":"))) for _ in range(9)]
    assert 200_000 < min(lengths) < 700_000
    assert 1_000_000 < max(lengths) < 4_400_000
