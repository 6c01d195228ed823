"""The input of every system: simulated transactions, some of them twice."""

import itertools
import random
from collections.abc import Iterable, Iterator

import msgspec

from txfeatures.domain import wire
from txfeatures.domain.model import Heartbeat, OutgoingRecord
from txfeatures.domain.topics import FEED
from txfeatures_local.source.simulated_tx import payment

DOUBLE_EVERY = 10
"""Every tenth record repeats an earlier one, as with two pollers side by side."""

LIVE_PER_S = 10
"""Transactions per second of the live feed."""

_SEED = 20_240_119
_DOUBLE_WITHIN = 1000  # records: a second poller is seconds behind the first, not hours
_FIRST_TIME_S = 1_729_334_940
_POLL_MS = 1000


def transactions(
    topic: str, count: int, *, per_s: int = LIVE_PER_S, doubles: bool = True
) -> Iterator[OutgoingRecord]:
    """Yield ``count`` transactions for ``topic``, the same ones each time.

    Keys are hashes, values are JSON like the endpoint's (1.4 KB on average); timestamps are
    those of polls, one per second, that find ``per_s`` transactions each.
    """
    rng = random.Random(_SEED)  # noqa: S311 - noise, not secrets
    recent: list[tuple[bytes, bytes]] = []
    for index in range(count):
        time_s = _FIRST_TIME_S + index // per_s
        if doubles and index % DOUBLE_EVERY == DOUBLE_EVERY - 1:
            key, value = rng.choice(recent)
        else:
            transaction = payment(rng, time=time_s)
            key, value = transaction["hash"].encode(), msgspec.json.encode(transaction)
            recent.append((key, value))
            del recent[:-_DOUBLE_WITHIN]
        yield OutgoingRecord(
            topic=topic, key=key, value=value, timestamp_ms=time_s * 1000 + _POLL_MS
        )


def hashes(count: int, *, seed: int = _SEED) -> Iterator[bytes]:
    """Yield ``count`` transaction hashes, 32 bytes each, the same ones for the same ``seed``."""
    rng = random.Random(seed)  # noqa: S311 - noise, not secrets
    return (rng.randbytes(32) for _ in range(count))


def uniques(count: int) -> int:
    """Return the number of different hashes in the first ``count`` transactions with doubles."""
    return count - count // DOUBLE_EVERY


def with_ticks(records: Iterable[OutgoingRecord], *, partitions: int) -> Iterator[OutgoingRecord]:
    """Yield ``records``, with a tick per partition after those of each poll."""
    for (topic, feed_time_ms), poll in itertools.groupby(
        records, key=lambda record: (record.topic, record.timestamp_ms)
    ):
        yield from poll
        for partition in range(partitions):
            yield wire.tick(topic, partition, feed_time_ms)


def heartbeats(count: int, *, per_s: int) -> Iterator[OutgoingRecord]:
    """Yield the heartbeats of the polls that found the first ``count`` transactions."""
    for number in range(-(-count // per_s)):
        feed_time_ms = (_FIRST_TIME_S + number) * 1000 + _POLL_MS
        heartbeat = Heartbeat(
            poller="bench", poll_id=number + 1, feed_time_ms=feed_time_ms, outcome="ok"
        )
        yield OutgoingRecord(
            topic=FEED,
            key=b"bench",
            value=wire.encode_heartbeat(heartbeat),
            timestamp_ms=feed_time_ms,
        )
