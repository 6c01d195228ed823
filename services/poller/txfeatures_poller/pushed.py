"""A message of the websocket as a transaction: the fields that it lacks, computed [pure].

The source pushes a transaction without ``fee``, ``weight`` and ``rbf``. All three follow from what
it has: the fee is the inputs' values less the outputs'; the weight is three times the bytes without
the witnesses plus all bytes (BIP 141), and the bytes without the witnesses add up from the scripts;
an input's sequence signals replace-by-fee (BIP 125). So a pushed transaction is as rich as a polled
one, and it does not matter which of the two is seen first. A field that the source gives wins.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from txfeatures.domain.model import MAX_MONEY_SAT, MAX_WEIGHT, Satoshi, Weight
from txfeatures.domain.wire import decode_or_none

TRANSACTION = "utx"
"""The ``op`` of a message that holds a transaction."""

_Hex = Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-fA-F]{2})*\Z")]

_NEWEST_SIGNAL = 0xFFFFFFFD
"""The largest sequence by which an input signals replace-by-fee."""

_FIXED_BYTES = 4 + 4  # version, lock time
_INPUT_BYTES = 36 + 4  # the output that is spent, sequence
_OUTPUT_BYTES = 8  # value
_MARKER_BYTES = 2  # marker and flag of a transaction with witnesses


class _Message(msgspec.Struct):
    op: str
    x: msgspec.Raw = msgspec.Raw()


class _Given(msgspec.Struct):
    """The fields that the source gives by itself; empty if it does not."""

    fee: msgspec.Raw = msgspec.Raw()
    weight: msgspec.Raw = msgspec.Raw()
    rbf: msgspec.Raw = msgspec.Raw()


class _Amount(msgspec.Struct):
    value: Satoshi


class _Paying(msgspec.Struct):
    prev_out: _Amount


class _Amounts(msgspec.Struct):
    """The values of a transaction."""

    inputs: Annotated[Sequence[_Paying], msgspec.Meta(min_length=1)]
    out: Annotated[Sequence[_Amount], msgspec.Meta(min_length=1)]
    vin_sz: int
    vout_sz: int


class _Scripted(msgspec.Struct):
    script: _Hex


class _Scripts(msgspec.Struct):
    """The parts of a transaction whose length varies, and its length."""

    inputs: Sequence[_Scripted]
    out: Sequence[_Scripted]
    size: Weight


class _Sequenced(msgspec.Struct):
    sequence: int


class _Sequences(msgspec.Struct):
    inputs: Sequence[_Sequenced]


_message = msgspec.json.Decoder(_Message)
_given = msgspec.json.Decoder(_Given)
_amounts = msgspec.json.Decoder(_Amounts)
_scripts = msgspec.json.Decoder(_Scripts)
_sequences = msgspec.json.Decoder(_Sequences)


def transaction(message: bytes) -> bytes | None:
    """Return the transaction in a message, with the fields that it lacked as its last members.

    A transaction whose fee can't be computed is returned as it came, and is a dead letter without
    its fee; so is a message that can't be read. None is returned for a message of another kind.
    """
    read = decode_or_none(_message, message)
    if read is None:
        return message
    if read.op != TRANSACTION:
        return None
    return completed(bytes(read.x))


def completed(value: bytes) -> bytes:
    """Return a pushed transaction with its fee, weight and signal; as it came without a fee."""
    given = decode_or_none(_given, value)
    if given is None:
        return value
    members = []
    if not given.fee:
        fee = _fee(value)
        if fee is None:
            return value
        members.append(f',"fee":{fee}')
    if not given.weight and (weight := _weight(value)) is not None:
        members.append(f',"weight":{weight}')
    if not given.rbf and _signals(value):
        members.append(',"rbf":true')
    return value[: value.rindex(b"}")] + "".join(members).encode() + b"}"


def _fee(value: bytes) -> int | None:
    """Return the satoshi that no output takes; None if a value is missing or they are no fee."""
    amounts = decode_or_none(_amounts, value)
    if amounts is None:
        return None
    if (amounts.vin_sz, amounts.vout_sz) != (len(amounts.inputs), len(amounts.out)):
        return None
    fee = sum(paying.prev_out.value for paying in amounts.inputs)
    fee -= sum(output.value for output in amounts.out)
    return fee if 0 <= fee <= MAX_MONEY_SAT else None


def _weight(value: bytes) -> int | None:
    """Return the weight units; None where size and scripts are missing or contradict each other."""
    scripts = decode_or_none(_scripts, value)
    if scripts is None:
        return None
    without_witnesses = _FIXED_BYTES + _parts_bytes(scripts.inputs, _INPUT_BYTES)
    without_witnesses += _parts_bytes(scripts.out, _OUTPUT_BYTES)
    witnesses = scripts.size - without_witnesses
    if witnesses == 0:
        # An input without a script is unlocked by a witness, so this size leaves witnesses out.
        fits = all(spending.script for spending in scripts.inputs)
    else:
        fits = witnesses >= _MARKER_BYTES + len(scripts.inputs)
    weight = 3 * without_witnesses + scripts.size
    return weight if fits and weight <= MAX_WEIGHT else None


def _parts_bytes(parts: Sequence[_Scripted], other_bytes: int) -> int:
    """Return the bytes of all inputs or outputs, of which each has ``other_bytes`` as well."""
    size = _number_bytes(len(parts))
    for part in parts:
        script_bytes = len(part.script) // 2
        size += _number_bytes(script_bytes) + script_bytes + other_bytes
    return size


def _number_bytes(number: int) -> int:
    """Return the bytes that the network takes for a count or a length."""
    if number < 0xFD:
        return 1
    return 3 if number <= 0xFFFF else 5


def _signals(value: bytes) -> bool:
    sequences = decode_or_none(_sequences, value)
    return sequences is not None and any(
        spending.sequence <= _NEWEST_SIGNAL for spending in sequences.inputs
    )
