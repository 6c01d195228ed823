"""Bad transactions among good ones, through the whole pipeline."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.integration.conftest import StartPipeline
from txfeatures.domain.wire import REASON_HEADER, header

pytestmark = pytest.mark.integration

START_S = 1_729_335_000
YEAR_9999_S = 253_370_764_800


def transaction(name: str, **fields: object) -> dict[str, object]:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return {"hash": digest, "fee": 1000, "time": START_S, "tx_index": 1} | fields


def without(field: str) -> dict[str, object]:
    found = transaction(f"without {field}")
    del found[field]
    return found


GOOD = [transaction(f"good {n}", fee=n, time=START_S + n) for n in range(60)]
POISON: dict[str, list[object]] = {
    "missing_hash": [without("hash")],
    "missing_fee": [without("fee")],
    "missing_time": [without("time")],
    "bad_hash": [transaction("x", hash="not a hash")],
    "bad_fee": [
        transaction("string", fee="12"),
        transaction("negative", fee=-1),
        transaction("beyond 64 bits", fee=2**63),
        transaction("beyond all bitcoin", fee=2**62),
    ],
    "bad_time": [transaction("half a second", time=0.5)],
    "not_object": [17, None, ["a"]],
}
UNCOUNTED = {
    "late": transaction("the beginning of time", time=0),
    "future": transaction("the end of time", time=YEAR_9999_S),
}


def write(path: Path, transactions: list[object]) -> None:
    lines = [
        json.dumps({"arrived_at": START_S + number // 2 + 0.5, "tx": tx}) + "\n"
        for number, tx in enumerate(transactions)
    ]
    path.write_text("".join(lines))


def test_good_transactions_count_and_bad_ones_are_kept_with_their_reason(
    start: StartPipeline, tmp_path: Path
) -> None:
    first, rest = GOOD[0], GOOD[1:]
    bad = [tx for group in POISON.values() for tx in group]
    second_fee = transaction("good 0", fee=99_999, time=START_S)
    write(tmp_path / "hostile", [first, *bad, *UNCOUNTED.values(), second_fee, *rest])
    pipeline = start(tmp_path / "hostile")
    pipeline.drain()

    totals = pipeline.totals()
    assert sum(count for count, _ in totals.values()) == len(GOOD)
    assert sum(fees for _, fees in totals.values()) == sum(range(60))

    dead = {
        record.value: header(record.headers, REASON_HEADER)
        for record in pipeline.records("raw.dlq")
    }
    assert dead == {
        json.dumps(tx).encode(): reason.encode() for reason, group in POISON.items() for tx in group
    }
    late = {header(r.headers, REASON_HEADER): r.value for r in pipeline.records("late")}
    assert late == {reason.encode(): json.dumps(tx).encode() for reason, tx in UNCOUNTED.items()}
