"""The JSON of a transaction."""

import json

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.material import SMALLEST, compact, transaction_texts, transactions
from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.wire import decode_transaction

READ = "a transaction"


@fuzz(
    transaction_texts(),
    reaches=[READ, "not_json", "not_object", "bad_hash", "bad_time", "bad_fee"],
)  # fmt: skip
def test_a_text_is_a_transaction_or_has_a_reason(text: bytes) -> set[str]:
    try:
        found = decode_transaction(text)
    except InvalidMessageError as error:
        return {error.reason}
    # Members that no feature uses are not read: neither their bytes nor their numbers matter.
    by_json = json.loads(text.decode(errors="replace"), parse_int=short_integer)
    assert (found.hash, found.time, found.fee) == (
        by_json["hash"],
        by_json["time"],
        by_json["fee"],
    )
    assert found.output_value is None or found.output_value >= 0
    return {READ}


def short_integer(digits: str) -> int | None:
    return int(digits) if len(digits) < 20 else None


def test_each_real_transaction_is_read() -> None:
    assert len(transactions()) == SMALLEST
    for transaction in transactions():
        assert decode_transaction(compact(transaction)).hash == transaction["hash"]
