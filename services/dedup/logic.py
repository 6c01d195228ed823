"""What dedup decides: the first sighting of a hash goes on, the others are dropped [pure]."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from txfeatures.errors import InvalidMessageError
from txfeatures.model import Record
from txfeatures.wire import is_tick

HASH_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What becomes of a batch of one partition.

    Attributes:
        forwarded: First sightings and ticks, in the order they came.
        sightings: Hash (32 bytes) -> log time (ms) of each first sighting; to be remembered.
        duplicates: Records that were dropped because their hash is remembered.
        dead: Records without a transaction hash as their key, each with why.
    """

    forwarded: Sequence[Record]
    sightings: Mapping[bytes, int]
    duplicates: int
    dead: Sequence[tuple[Record, InvalidMessageError]]


def dedup(seen: Mapping[bytes, int], records: Sequence[Record], *, remember_ms: int) -> Outcome:
    """Tell first sightings from repeats.

    Args:
        seen: Hash -> log time (ms) at which this partition first saw it.
        records: A batch of one partition of ``raw``, in order.
        remember_ms: How long a hash is remembered, in log time: a repeat after that
            counts as new. Log time is the records' own, so a replay decides the same.
    """
    forwarded: list[Record] = []
    sightings: dict[bytes, int] = {}
    dead: list[tuple[Record, InvalidMessageError]] = []
    duplicates = 0
    for record in records:
        if is_tick(record):
            forwarded.append(record)
            continue
        try:
            transaction_hash = _hash(record.key)
        except InvalidMessageError as error:
            dead.append((record, error))
            continue
        first_seen = sightings.get(transaction_hash, seen.get(transaction_hash))
        if first_seen is not None and record.timestamp_ms - first_seen <= remember_ms:
            duplicates += 1
        else:
            sightings[transaction_hash] = record.timestamp_ms
            forwarded.append(record)
    return Outcome(forwarded=forwarded, sightings=sightings, duplicates=duplicates, dead=dead)


def _hash(key: bytes | None) -> bytes:
    try:
        found = bytes.fromhex((key or b"").decode("ascii"))
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES or len(key or b"") != 2 * HASH_BYTES:  # fromhex skips spaces
        raise InvalidMessageError("bad_key", "the key must be a transaction hash, 64 hex digits")
    return found
