"""The whole logic, from raw to rows, on recorded transactions received by several pollers."""

import gzip
import json
import zlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from random import Random

import pytest

from tests.properties.drive import Folding, Merging, batches, record
from tests.properties.feeds import closing, rules
from tests.properties.oracle import Moment, Times, last_revisions
from tests.support.shared_data import RECORDING
from txfeatures.domain.features import minute_name
from txfeatures.domain.model import Heartbeat, PartitionUpdate
from txfeatures.domain.topics import RAW
from txfeatures_dedup.logic import dedup

PARTITIONS = 4
TIMES = Times()

Arrivals = list[tuple[int, Moment]]
"""Second of the poll -> transaction, in order of arrival."""


@pytest.fixture(scope="module")
def arrivals() -> Arrivals:
    found = []
    with gzip.open(RECORDING, "rt", encoding="utf-8") as lines:
        for line in lines:
            arrival = json.loads(line)
            tx, polled_s = arrival["tx"], int(arrival["arrived_at"]) + 1
            moment = Moment(
                feed_ms=polled_s * 1000,
                fee=tx["fee"],
                time=tx["time"],
                hash=tx["hash"],
                rest={name: tx[name] for name in ("size", "weight", "rbf", "out") if name in tx},
            )
            found.append((polled_s, moment))
    return found


def raw_logs(arrivals: Arrivals, random: Random) -> list[list[Moment]]:
    """Return the partitions of ``raw`` as filled by two pollers: many hashes occur twice."""
    by_second: dict[int, list[Moment]] = defaultdict(list)
    for polled_s, moment in arrivals:
        by_second[polled_s].append(moment)
    logs: list[list[Moment]] = [[] for _ in range(PARTITIONS)]
    seconds = range(min(by_second), max(by_second) + 1)
    for polled_s in seconds:
        again = [m for m in by_second.get(polled_s - 1, []) if random.random() < 0.5]
        for moment in [*by_second.get(polled_s, []), *again]:
            logs[partition_of(moment)].append(replace(moment, feed_ms=polled_s * 1000))
        for log in logs:
            log.append(Moment(feed_ms=polled_s * 1000))
    for poll in closing(seconds[-1] * 1000, PARTITIONS, TIMES):
        for log, ticks in zip(logs, poll.logs, strict=True):
            log.extend(ticks)
    return logs


def partition_of(moment: Moment) -> int:
    return zlib.crc32(moment.hash.encode()) % PARTITIONS


def first_ones(log: Iterable[Moment]) -> list[Moment]:
    """Return the log of a partition without repeats, computed naively."""
    known: set[str] = set()
    found = []
    for moment in log:
        if moment.is_tick or moment.hash not in known:
            found.append(moment)
        known.add(moment.hash)
    return found


def updates_of(partition: int, log: list[Moment], random: Random) -> list[PartitionUpdate]:
    folding = Folding(partition=partition, partitions=PARTITIONS, rules=rules(TIMES))
    seen: dict[bytes, int] = {}
    records = [record(moment, topic=RAW, partition=partition) for moment in log]
    for batch in batches(records, random):
        outcome = dedup(seen, batch, remember_ms=48 * 3_600_000)
        seen.update(outcome.sightings)
        folding.take(outcome.forwarded)
    return folding.updates


@pytest.mark.parametrize("seed", [1, 2])
def test_the_features_of_a_recording_equal_the_oracle(arrivals: Arrivals, seed: int) -> None:
    random = Random(seed)
    logs = raw_logs(arrivals, random)
    lanes = [updates_of(p, log, random)[::-1] for p, log in enumerate(logs)]
    merging = Merging(rules=rules(TIMES))
    messages: list[PartitionUpdate | Heartbeat] = []
    while any(lanes):
        messages.append(random.choice([lane for lane in lanes if lane]).pop())
    for batch in batches(messages, random):
        merging.take(batch)
    last = {merged.row["tx_minute"]: merged.row for merged in merging.rows}
    expected = last_revisions([first_ones(log) for log in logs], TIMES)
    assert last.keys() == {minute_name(minute_s) for minute_s in expected}
    found = {m: minute.differences(last[minute_name(m)]) for m, minute in expected.items()}
    assert found == {m: {} for m in expected}
    assert sum(len(minute.transactions) for minute in expected.values()) == len(arrivals)
