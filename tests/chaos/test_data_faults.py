import hashlib

import pytest

from tests.chaos.data_faults import cut_element
from tests.chaos.ledger import POISONS, START_S, poison, transaction
from txfeatures_local.source.faults import truncated_json
from txfeatures_poller.elements import split


@pytest.mark.parametrize("kind", [None, *range(POISONS)])
def test_the_cut_element_is_the_one_that_a_poller_finds(kind: int | None) -> None:
    hashes = [hashlib.sha256(bytes([number])).hexdigest() for number in range(9)]
    elements = [
        transaction(each, START_S) if kind is None else poison(kind, each, START_S)
        for each in hashes
    ]
    body = truncated_json(b'{"txs":[' + b",".join(elements) + b"]}").body
    found = split(body, max_elements=100).elements
    assert found
    assert found[-1] == cut_element(body)
    assert found[-1] not in elements
