"""Transactions in the shape in which the websocket pushes them."""

import json
from typing import Any

import msgspec

from txfeatures_local.source.pushing import pushed_message


def message(value: bytes) -> bytes:
    """Return the message that pushes a transaction of the endpoint's shape."""
    return pushed_message(msgspec.Raw(value))


def payment(number: int = 1, /, **changes: object) -> dict[str, Any]:
    """Return a pushed transaction: one key-path input of 151 bytes, as seen in 2022."""
    return {
        "lock_time": 0,
        "ver": 2,
        "size": 151,
        "inputs": [
            {
                "sequence": 0xFFFFFFFF,
                "prev_out": {"spent": True, "tx_index": 0, "type": 0, "value": 2500, "n": 0,
                             "script": "5120" + "a1" * 32},
                "script": "",
            }
        ],
        "time": 1_729_334_940,
        "tx_index": 0,
        "vin_sz": 1,
        "hash": f"{number:064x}",
        "vout_sz": 1,
        "relayed_by": "0.0.0.0",
        "out": [{"spent": False, "tx_index": 0, "type": 0, "value": 2349, "n": 0,
                 "script": "0014" + "7a" * 20}],
    } | changes  # fmt: skip


def utx(transaction: object) -> bytes:
    """Return the message that pushes ``transaction``."""
    return json.dumps({"op": "utx", "x": transaction}).encode()
