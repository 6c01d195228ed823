"""Made-up transactions in the exact shape of the endpoint's.

Sizes, weights, fees and values add up as in real ones, and ``tx_index`` follows from
the hash by the endpoint's rule. Hashes, scripts, witnesses and addresses are noise of
the right length and prefix: nothing is signed, and no checksum is right.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

_FINAL = 0xFFFFFFFF
_REPLACEABLE = 0xFFFFFFFD
_REPLACEABLE_SHARE = 0.7  # 83, 52 and 82 % of the recorded ones
_VERSION_1_SHARE = 0.05
_RETURN_SHARE = 0.25  # of payments: OP_RETURN outputs are a third of the recorded outputs

_MEDIAN_FEE_RATE = 8.0  # sat/vB: between the recorded medians, 4 and 26
_FEE_RATE_SIGMA = 0.7
_MEDIAN_VALUE_SAT = 300_000
_VALUE_SIGMA = 2.5
_DUST_SAT = 546

_MINT_FEE_RATE = 26.2  # sat/vB: 3,406 sat each, as the recorded burst of mints
_CONSOLIDATION_FEE_RATE = 1.0
_CONSOLIDATION_INPUTS = (400, 6_500)  # 250 kB to 4 MB of JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A way to lock coins: what its output, address and unlocking data look like.

    Attributes:
        prefix: The first bytes of the output's script, in hexadecimal.
        noise_bytes: Random bytes after the prefix.
        suffix: The last bytes of the output's script.
        address: How the address begins; empty: the endpoint gives none.
        address_length: Characters of the address in all.
        alphabet: Of the address.
        script_bytes: Length of the script of an input that unlocks it.
        witness_bytes: Length of the witness of an input that unlocks it.
    """

    prefix: str
    noise_bytes: int
    suffix: str = ""
    address: str = ""
    address_length: int = 0
    alphabet: str = _BECH32
    script_bytes: int = 0
    witness_bytes: int = 0


_P2WPKH = _Kind(prefix="0014", noise_bytes=20, address="bc1q", address_length=42, witness_bytes=107)
_P2TR = _Kind(prefix="5120", noise_bytes=32, address="bc1p", address_length=62, witness_bytes=66)
_P2WSH = _Kind(prefix="0020", noise_bytes=32, address="bc1q", address_length=62, witness_bytes=253)
_P2SH = _Kind(
    prefix="a914", noise_bytes=20, suffix="87", address="3", address_length=34,
    alphabet=_BASE58, script_bytes=23, witness_bytes=107,
)  # fmt: skip
_P2PKH = _Kind(
    prefix="76a914", noise_bytes=20, suffix="88ac", address="1", address_length=34,
    alphabet=_BASE58, script_bytes=107,
)  # fmt: skip
_RETURN = _Kind(prefix="6a5d07", noise_bytes=7)

_KINDS = (_P2WPKH, _P2TR, _P2SH, _P2PKH, _P2WSH)
_KIND_WEIGHTS = (50, 30, 9, 9, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Output:
    kind: _Kind
    value_sat: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coin:
    """An output of an earlier transaction: where an input's money comes from."""

    kind: _Kind
    tx_index: int
    n: int


def payment(rng: random.Random, *, time: int) -> dict[str, Any]:
    """Return a common transaction: mostly one input and two outputs."""
    outputs = [
        _Output(kind=_any_kind(rng), value_sat=_value_sat(rng)) for _ in range(_few(rng, mean=1.9))
    ]
    if rng.random() < _RETURN_SHARE:
        outputs.insert(0, _Output(kind=_RETURN, value_sat=0))
    kind = _any_kind(rng)  # a wallet's coins are all of its own kind
    return _transaction(
        rng,
        coins=[_any_coin(rng, kind) for _ in range(_few(rng, mean=1.3))],
        outputs=outputs,
        fee_rate=max(1.0, _MEDIAN_FEE_RATE * rng.lognormvariate(0, _FEE_RATE_SIGMA)),
        time=time,
    )


def consolidation(rng: random.Random, *, time: int) -> dict[str, Any]:
    """Return a huge transaction: hundreds to thousands of coins into one."""
    fewest, most = (math.log(inputs) for inputs in _CONSOLIDATION_INPUTS)
    inputs = round(math.exp(rng.uniform(fewest, most)))
    return _transaction(
        rng,
        coins=[_any_coin(rng, _P2WPKH) for _ in range(inputs)],
        outputs=[_Output(kind=_P2WPKH, value_sat=inputs * _MEDIAN_VALUE_SAT)],
        fee_rate=_CONSOLIDATION_FEE_RATE,
        time=time,
    )


def mint_chain(rng: random.Random, *, length: int, time: int) -> Iterator[dict[str, Any]]:
    """Yield a wallet's chain, parents first: each spends the change of the one before."""
    coin = _any_coin(rng, _P2TR)
    value_sat = _DUST_SAT + 10_000 * length
    for _ in range(length):
        outputs = [_Output(kind=_RETURN, value_sat=0), _Output(kind=_P2TR, value_sat=value_sat)]
        tx = _transaction(rng, coins=[coin], outputs=outputs, fee_rate=_MINT_FEE_RATE, time=time)
        yield tx
        coin = _Coin(kind=_P2TR, tx_index=tx["tx_index"], n=1)
        value_sat -= tx["fee"]


def tx_index_of(tx_hash: str) -> int:
    """Return the endpoint's number of a transaction: the first 53 bits of its internal hash."""
    return int.from_bytes(bytes.fromhex(tx_hash)[:-9:-1]) >> 11


def _transaction(
    rng: random.Random,
    *,
    coins: Sequence[_Coin],
    outputs: Sequence[_Output],
    fee_rate: float,
    time: int,
) -> dict[str, Any]:
    """Return a transaction that moves ``coins``, worth whatever it takes, to ``outputs``."""
    tx_hash = rng.randbytes(32).hex()
    tx_index = tx_index_of(tx_hash)
    size, weight = _size_and_weight(coins, outputs)
    fee_sat = round(fee_rate * weight / 4)
    spent_sat = sum(output.value_sat for output in outputs) + fee_sat
    replaceable = rng.random() < _REPLACEABLE_SHARE
    sequence = _REPLACEABLE if replaceable else _FINAL
    tx: dict[str, Any] = {
        "hash": tx_hash,
        "ver": 1 if rng.random() < _VERSION_1_SHARE else 2,
        "vin_sz": len(coins),
        "vout_sz": len(outputs),
        "size": size,
        "weight": weight,
        "fee": fee_sat,
        "relayed_by": "0.0.0.0",  # noqa: S104 - the endpoint's constant since 2021
        "lock_time": 0,
        "tx_index": tx_index,
        "double_spend": False,
        "time": time,
        "block_index": None,
        "block_height": None,
        "inputs": [
            _input(rng, coin, index=index, value_sat=value_sat, spender=tx_index, sequence=sequence)
            for index, (coin, value_sat) in enumerate(
                zip(coins, _shares(spent_sat, len(coins)), strict=True)
            )
        ],
        "out": [
            {
                "type": 0,
                "spent": False,
                "value": output.value_sat,
                "spending_outpoints": [],
                "n": n,
                "tx_index": tx_index,
                **_lock(rng, output.kind),
            }
            for n, output in enumerate(outputs)
        ],
    }
    if replaceable:
        tx["rbf"] = True
    return tx


def _input(
    rng: random.Random, coin: _Coin, *, index: int, value_sat: int, spender: int, sequence: int
) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "witness": rng.randbytes(coin.kind.witness_bytes).hex(),
        "script": rng.randbytes(coin.kind.script_bytes).hex(),
        "index": index,
        "prev_out": {
            "type": 0,
            "spent": True,
            "value": value_sat,
            "spending_outpoints": [{"tx_index": spender, "n": index}],
            "n": coin.n,
            "tx_index": coin.tx_index,
            **_lock(rng, coin.kind),
        },
    }


def _lock(rng: random.Random, kind: _Kind) -> dict[str, str]:
    """Return the script and, where the endpoint gives one, the address."""
    lock = {"script": kind.prefix + rng.randbytes(kind.noise_bytes).hex() + kind.suffix}
    if kind.address:
        noise = rng.choices(kind.alphabet, k=kind.address_length - len(kind.address))
        lock["addr"] = kind.address + "".join(noise)
    return lock


def _size_and_weight(coins: Sequence[_Coin], outputs: Sequence[_Output]) -> tuple[int, int]:
    """Return bytes and weight units by Bitcoin's serialisation: witness bytes weigh a quarter."""
    base = 4 + 4 + _varint_bytes(len(coins)) + _varint_bytes(len(outputs))  # version, lock time
    for coin in coins:  # outpoint, script, sequence
        base += 36 + _varint_bytes(coin.kind.script_bytes) + coin.kind.script_bytes + 4
    for output in outputs:  # value, script
        kind = output.kind
        script_bytes = len(kind.prefix) // 2 + kind.noise_bytes + len(kind.suffix) // 2
        base += 8 + _varint_bytes(script_bytes) + script_bytes
    witness = 0
    if any(coin.kind.witness_bytes for coin in coins):  # marker and flag; an empty one is a zero
        witness = 2 + sum(max(1, coin.kind.witness_bytes) for coin in coins)
    return base + witness, 4 * base + witness


def _varint_bytes(value: int) -> int:
    return 1 if value < 0xFD else 3


def _shares(total: int, parts: int) -> list[int]:
    """Split ``total`` evenly and exactly."""
    each, rest = divmod(total, parts)
    return [each + rest] + [each] * (parts - 1)


def _any_kind(rng: random.Random) -> _Kind:
    return rng.choices(_KINDS, weights=_KIND_WEIGHTS)[0]


def _any_coin(rng: random.Random, kind: _Kind) -> _Coin:
    return _Coin(kind=kind, tx_index=rng.getrandbits(53), n=_few(rng, mean=1.5) - 1)


def _few(rng: random.Random, *, mean: float) -> int:
    """Return a count from 1 on, geometrically distributed."""
    return 1 + int(rng.expovariate(1) / -math.log1p(-1 / mean))


def _value_sat(rng: random.Random) -> int:
    return _DUST_SAT + round(_MEDIAN_VALUE_SAT * rng.lognormvariate(0, _VALUE_SIGMA))
