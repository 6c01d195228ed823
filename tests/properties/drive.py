"""Drivers of the two stages of the aggregator, as the service calls them, with any batches."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from tests.properties.oracle import Moment
from tests.support.declared import DEFAULT
from txfeatures.domain.model import Heartbeat, KafkaRecord, Partial, PartitionUpdate, Record
from txfeatures.domain.rules import AggregatorRules
from txfeatures.domain.topics import DEDUPED
from txfeatures.domain.wire import TICK_HEADER
from txfeatures_aggregator.logic import FoldOutcome, Progress, fold
from txfeatures_aggregator.merge import MergedRow, MergeOutcome, merge
from txfeatures_aggregator.state import Frontier, Minute

T = TypeVar("T")


def record(moment: Moment, *, topic: str = DEDUPED, partition: int = 0, offset: int = 0) -> Record:
    value = {**moment.rest, "hash": moment.hash, "time": moment.time, "fee": moment.fee}
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        key=None if moment.is_tick else moment.hash.encode(),
        value=b"" if moment.is_tick else json.dumps(value).encode(),
        timestamp_ms=moment.feed_ms,
        headers=((TICK_HEADER, b"1"),) if moment.is_tick else (),
    )


def one_by_one(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return ([item] for item in items)


def batches(items: Sequence[T], random: Random) -> Iterator[Sequence[T]]:
    start = 0
    while start < len(items):
        size = random.randint(1, 12)
        yield items[start : start + size]
        start += size


@dataclass(slots=True)
class Folding:
    """The first stage of one partition, with its state."""

    partition: int
    partitions: int
    rules: AggregatorRules
    progress: Progress = field(default_factory=Progress)
    partials: dict[int, Partial] = field(default_factory=dict)
    updates: list[PartitionUpdate] = field(default_factory=list)
    uncounted: list[tuple[KafkaRecord, str]] = field(default_factory=list)

    def take(self, records: Sequence[KafkaRecord]) -> FoldOutcome:
        outcome = fold(
            self.progress,
            self.partials,
            records,
            partition=self.partition,
            partitions=self.partitions,
            rules=self.rules,
            declaration=DEFAULT,
        )
        self.progress = outcome.progress
        self.partials.update(outcome.changed)
        for minute_s in outcome.forgotten:
            self.partials.pop(minute_s, None)
        self.updates += outcome.updates
        self.uncounted += outcome.uncounted
        return outcome


@dataclass(slots=True)
class Merging:
    """The second stage, with its state."""

    rules: AggregatorRules
    frontier: Frontier = field(default_factory=Frontier)
    minutes: dict[int, Minute] = field(default_factory=dict)
    rows: list[MergedRow] = field(default_factory=list)

    def take(self, messages: Sequence[PartitionUpdate | Heartbeat]) -> MergeOutcome:
        outcome = merge(
            self.frontier, self.minutes, messages, rules=self.rules, declaration=DEFAULT
        )
        self.frontier = outcome.frontier
        self.minutes.update(outcome.changed)
        for minute_s in outcome.forgotten:
            self.minutes.pop(minute_s, None)
        self.rows += outcome.rows
        return outcome
