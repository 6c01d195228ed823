"""What the services make of a recording, without the services."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from tests.properties.drive import Folding, Merging
from txfeatures.archive import recording
from txfeatures.domain.model import Record, Row
from txfeatures.domain.rules import Rules
from txfeatures.domain.topics import DEDUPED
from txfeatures.domain.wire import tick

PARTITIONS = 4


def replayed(path: Path) -> list[list[Record]]:
    """Return the partitions of ``deduped`` as a poll a second fills them, with ticks."""
    logs: list[list[Record]] = [[] for _ in range(PARTITIONS)]
    offsets = [0] * PARTITIONS

    def add(partition: int, feed_ms: int, value: bytes | None, key: bytes | None) -> None:
        headers = tick(DEDUPED, partition, feed_ms).headers if key is None else ()
        logs[partition].append(
            Record(
                topic=DEDUPED, partition=partition, offset=offsets[partition], key=key,
                value=value, timestamp_ms=feed_ms, headers=headers,
            )
        )  # fmt: skip
        offsets[partition] += 1

    feed_ms = 0
    for arrival in recording.read(path):
        polled_ms = (int(arrival.arrived_at) + 1) * 1000
        while feed_ms and feed_ms < polled_ms:
            for partition in range(PARTITIONS):
                add(partition, feed_ms, b"", None)
            feed_ms += 1000
        feed_ms = polled_ms
        key = str(arrival.hash).encode()
        add(zlib.crc32(key) % PARTITIONS, feed_ms, bytes(arrival.tx), key)
    for later_s in (0, 60, 120, 180, 240):
        for partition in range(PARTITIONS):
            add(partition, feed_ms + later_s * 1000, b"", None)
    return logs


def final_rows(logs: Sequence[Sequence[Record]]) -> list[Row]:
    rules = Rules()
    merging = Merging(rules=rules)
    updates = []
    for partition, log in enumerate(logs):
        folding = Folding(partition=partition, partitions=PARTITIONS, rules=rules)
        folding.take(log)
        updates += folding.updates
    merging.take(sorted(updates, key=lambda update: update.feed_time_ms))
    return [merged.row for merged in merging.rows if merged.row["is_final"]]
