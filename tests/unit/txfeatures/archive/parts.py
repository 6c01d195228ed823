"""Archive objects as fs_writer stores them, and their rows as Athena reads them."""

import io
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import msgspec
import pyarrow.parquet as pq

from tests.unit.txfeatures.archive.memory_bucket import Held
from txfeatures.archive.bucket import Bucket
from txfeatures.archive.layout import MANIFESTS, ObjectName, Shelf
from txfeatures.archive.manifests import Manifests
from txfeatures.archive.objects import store_object
from txfeatures.archive.schema import encode
from txfeatures.domain.model import Record

SHELF = Shelf(date="2024-10-19", hour="10", partition=0)


def record(offset: int, *, partition: int = 0, padding: int = 0) -> Record:
    number = f"{partition:032x}{offset:032x}"
    value = {"hash": number, "time": 1_729_334_940, "fee": offset, "relayed_by": "x" * padding}
    return Record(
        topic="deduped",
        partition=partition,
        offset=offset,
        key=number.encode(),
        value=msgspec.json.encode(value),
        timestamp_ms=1_729_335_000_000 + offset,
    )


def part(offsets: Iterable[int], *, shelf: Shelf = SHELF) -> tuple[ObjectName, bytes, int]:
    records = [record(offset, partition=shelf.partition) for offset in offsets]
    return ObjectName(shelf=shelf, first=records[0].offset), encode(records), len(records)


TOPIC, ANEW = "AAAAAAAAAAAAAAAAAAAAAQ", "0-_AAAAAAAAAAAAAAAAAAg"
"""Ids of a topic, and of the one that was made after its deletion."""


def shelf_of(topic: str) -> Shelf:
    return replace(SHELF, topic=topic)


def store(bucket: Bucket, offsets: Iterable[int], *, shelf: Shelf = SHELF) -> ObjectName:
    """Store a part and make it live, as fs_writer does."""
    name, body, rows = part(offsets, shelf=shelf)
    store_object(bucket, name, body, rows=rows)
    Manifests(bucket).add(name)
    return name


def rows_of(body: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(body)).to_pylist()
    return found


def as_athena_reads(objects: dict[str, Held]) -> list[tuple[int, int]]:
    """Return partition and offset of each row that a query over the table returns."""
    found = []
    for key in sorted(objects):
        if key.startswith(MANIFESTS):
            for line in objects[key].body.decode().splitlines():
                found += places(objects[line.removeprefix("s3://txfeatures/")].body)
    return sorted(found)


@lru_cache
def places(body: bytes) -> list[tuple[int, int]]:
    return [(row["topic_partition"], row["topic_offset"]) for row in rows_of(body)]
