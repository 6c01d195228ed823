"""The decision of dedup: the first sighting of a hash goes on, the others are dropped [pure]."""

from binascii import unhexlify
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from txfeatures.domain.errors import InvalidMessageError
from txfeatures.domain.model import KafkaRecord, Record
from txfeatures.domain.topics import MAX_RECORD_BYTES
from txfeatures.domain.wire import is_tick, too_large

HASH_BYTES = 32

REMEMBERED_BYTES = 31
"""Of a hash; 248 bits tell transactions apart, and Python keeps 31 bytes in 64, 32 in 80."""

GRANULES = 8
"""Hashes are forgotten in bundles: the time remembered is rounded up by an eighth at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a batch of one partition.

    Attributes:
        forwarded: First sightings and ticks, in the order they came. Their times never fall, and
            a transaction behind a tick has a later one: how far a tick has come can be read
            from the transactions alone.
        sightings: Hash (its first 31 bytes) -> log time (ms) from which on it is forgotten,
            of each first sighting; to be remembered.
        clock_ms: The time that the partition's next transaction has at least.
        duplicates: Records that were dropped because their hash is remembered.
        dead: Records without a transaction hash as their key, and those that are larger than
            our own may be, each with its error.
    """

    forwarded: Sequence[KafkaRecord]
    sightings: Mapping[bytes, int]
    clock_ms: int
    duplicates: int
    dead: Sequence[tuple[KafkaRecord, InvalidMessageError]]


def dedup(
    seen: Mapping[bytes, int],
    records: Sequence[KafkaRecord],
    *,
    remember_ms: int,
    clock_ms: int = 0,
    max_record_bytes: int = MAX_RECORD_BYTES,
) -> Outcome:
    """Separate first sightings from repeats.

    Args:
        seen: Hash -> log time (ms) from which on this partition has forgotten it.
        records: A batch of one partition of ``raw``, in order.
        remember_ms: Shortest time that a hash is remembered, in log time: a repeat after
            that counts as new. Log time is the records' own, so a replay decides the same.
        clock_ms: What the last call returned, 0 at the very beginning.
        max_record_bytes: Size of the largest record that can be forwarded.
    """
    forwarded: list[KafkaRecord] = []
    sightings: dict[bytes, int] = {}
    dead: list[tuple[KafkaRecord, InvalidMessageError]] = []
    duplicates = 0
    for record in records:
        if record.key is None and is_tick(record):
            forwarded.append(record)
            clock_ms = max(clock_ms, record.timestamp_ms) + 1
            continue
        try:
            transaction_hash = _hash(record.key)
        except InvalidMessageError as error:
            dead.append((record, error))
            continue
        if larger := too_large(record.value or b"", max_record_bytes):
            dead.append((record, larger))
            continue
        forgotten_ms = sightings.get(transaction_hash) or seen.get(transaction_hash, 0)
        if record.timestamp_ms < forgotten_ms:
            duplicates += 1
        else:
            sightings[transaction_hash] = forget_ms(record.timestamp_ms, remember_ms)
            clock_ms = max(clock_ms, record.timestamp_ms)
            forwarded.append(_at(clock_ms, record))
    return Outcome(
        forwarded=forwarded,
        sightings=sightings,
        clock_ms=clock_ms,
        duplicates=duplicates,
        dead=dead,
    )


def forget_ms(seen_ms: int, remember_ms: int) -> int:
    """Return the log time from which on a hash is forgotten: one of few in any stretch of time.

    >>> forget_ms(1, 80), forget_ms(10, 80), forget_ms(11, 80)
    (90, 100, 100)
    """
    granule_ms = max(1, remember_ms // GRANULES)
    return (seen_ms + remember_ms) // granule_ms * granule_ms + granule_ms


def _at(clock_ms: int, record: KafkaRecord) -> KafkaRecord:
    if record.timestamp_ms == clock_ms:
        return record
    return Record(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        timestamp_ms=clock_ms,
        headers=record.headers,
    )


def _hash(key: bytes | None) -> bytes:
    try:
        found = unhexlify(key or b"")
    except ValueError:
        found = b""
    if len(found) != HASH_BYTES:
        raise InvalidMessageError("bad_key", "the key must be a transaction hash, 64 hex digits")
    return found[:REMEMBERED_BYTES]
